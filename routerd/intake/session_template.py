"""What every session inherits from aiosmtpd, made once."""

import asyncio
from typing import Any

from aiosmtpd.smtp import SMTP

# What SMTP.__init__ makes for one connection and must not be shared, and tables of bound methods that are not used.
_NOT_SHARED = frozenset(
    {
        "_closed",
        "_drain_waiters",
        "_stream_reader_wr",
        "_strong_reader",
        "_auth_methods",
        "_handle_hooks",
        "_smtp_methods",
    }
)


def session_template(hostname: str, loop: asyncio.AbstractEventLoop) -> dict[str, Any]:
    """The attributes that SMTP.__init__ gives every connection. It inspects all members of the class each time: a third
    of a short session's CPU, so it runs once per listener.
    """
    model = SMTP(object(), hostname=hostname, ident="routerd", loop=loop)
    return {name: value for name, value in vars(model).items() if name not in _NOT_SHARED}

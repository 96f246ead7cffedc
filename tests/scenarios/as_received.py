"""What a reader finds in a mail that came."""

import re
from typing import Any


def addr_spec(mail: Any, field: str) -> str:
    """The first address in a field."""
    return str(mail[field].addresses[0].addr_spec)


def note_address(mail: Any) -> str:
    return str(mail["X-Routerd-Note"]).removeprefix("<mailto:").removesuffix(">")


def words(mail: Any) -> str:
    return str(mail.get_body(("plain", "html")).get_content())


def inner_fields(mail: Any) -> list[str]:
    """Those that no customer is to see."""
    return [name for name in mail if re.match(r"(?i)x-(?!auto-response)|authentication-results|received|thread-", name)]

"""What is verified of one message (step 3 of its way), as a value; `verify` finds it out."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from routerd.auth.results import MethodResult
from routerd.message.envelope import Client
from routerd.message.view import MessageView

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Verification:
    """Nothing of it where nothing was verified."""

    results: tuple[MethodResult, ...] = ()  # as Authentication-Results says them, in its order
    chain: str = ""  # of ARC (RFC 8617 5.2): none, pass, fail; "" where it was not looked at, or cannot be now
    voucher: str = ""  # whoever of `arc_sealers` says that DMARC passed before he handed it on
    went_without: bool = False  # an answer of the DNS, since the client's own questions had all turns that he has


NOT_VERIFIED = Verification()


class Compute(Protocol):
    """Does work that takes no input but the message, perhaps in a thread."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]: ...


def is_to_verify(wanted: bool | None, client: Client) -> bool:
    """Whether the listener's `verify` (None: not said) is for this client's mail. Who logged in is known already."""
    if client.member is not None or wanted is False:
        return False
    return bool(wanted) or not (client.trusted or _is_local(client.address))


def author_domain(view: MessageView) -> str:
    """In lower-case A-labels; "" where From does not name exactly one domain (RFC 9989 5.3.1)."""
    domains = author_domains(view)
    return domains[0] if len(domains) == 1 and view.headers.count("from") == 1 else ""


def author_domains(view: MessageView) -> tuple[str, ...]:
    """All that From names, in lower-case A-labels, each once."""
    return tuple(dict.fromkeys(mailbox.address.rpartition("@")[2] for mailbox in view.addresses("from")))


def _is_local(address: str) -> bool:
    """Of this machine: loopback, or a unix socket."""
    return not address or address == "::1" or address.startswith("127.")

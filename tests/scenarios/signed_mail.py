"""Mail that bears signatures, and what we make of them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from peers.golden import load_golden

from routerd.auth.arc import ArcResult, read_arc, verify_arc
from routerd.auth.dkim import DkimResult, dkim_key_names, read_dkim, verify_dkim
from routerd.auth.dns_answers import LookUp
from routerd.auth.key_look_up import look_up_keys
from routerd.auth.signed_message import SignedMessage
from routerd.message.headers import HeaderBlock

DOMAIN = "firm.test"
_BOUNCES = Path(__file__).parents[1] / "golden/bounces"
_UNSIGNED = {
    "forged-headers",  # a mail server mends spaces before a colon, before a signer sees them
    "forged-past-many-headers",  # more than signers read
    "no-headers-but-one",  # no From
    "from-without-domain",
}


@dataclass(frozen=True, slots=True)
class Sample:
    name: str
    raw: bytes


def samples() -> tuple[Sample, ...]:
    """Mail of every kind, bounces too, that a signer takes."""
    mail = {one.name: one.raw for one in load_golden()}
    bounces = {f"bounces/{path.stem}": path.read_bytes() for path in sorted(_BOUNCES.glob("*.eml"))}
    return tuple(Sample(name, _whole(raw)) for name, raw in {**mail, **bounces}.items() if name not in _UNSIGNED)


def _whole(raw: bytes) -> bytes:
    """As SMTP carries it: every line has an end, and the header too."""
    raw = raw if raw.endswith(b"\r\n") else raw + b"\r\n"
    return raw if b"\r\n\r\n" in raw else raw + b"\r\n"


async def our_chain(raw: bytes, look_up: LookUp) -> ArcResult:
    message = SignedMessage(raw, HeaderBlock.scan(raw))
    chain = read_arc(message)
    return verify_arc(message, chain, await look_up_keys(chain.key_names, look_up))


async def our_results(raw: bytes, look_up: LookUp, domain: str = DOMAIN) -> list[DkimResult]:
    """Of the signatures of `domain`."""
    message = SignedMessage(raw, HeaderBlock.scan(raw))
    signatures = read_dkim(message, datetime.now(UTC))
    keys = await look_up_keys(dkim_key_names(signatures), look_up)
    return [one for one in verify_dkim(message, signatures, keys) if one.domain == domain]

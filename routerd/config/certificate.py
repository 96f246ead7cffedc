"""Until when a certificate is good, as its file says: the standard library tells that only of a peer's. Pure."""

import base64
import re
from datetime import UTC, datetime, timedelta

SOON = timedelta(days=14)  # what renews itself does so a month before the end

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_VERSION, _UTC_TIME, _GENERALIZED_TIME = 0xA0, 0x17, 0x18  # tags of DER
_LONG = 0x80


def good_until(pem: bytes) -> datetime | None:
    """Of the first certificate, which is the one that is shown (RFC 5280 4.1.2.5); None where it cannot be told."""
    found = _PEM.search(pem)
    try:
        return _not_after(base64.b64decode(found[1])) if found else None
    except (ValueError, IndexError):
        return None


def trouble_ahead(until: datetime, now: datetime) -> str | None:
    """What to say of one that is no longer good, or soon will not be."""
    if until <= now:
        return f"expired on {until:%Y-%m-%d}"
    return f"expires on {until:%Y-%m-%d}, in {(until - now).days} days" if until - now <= SOON else None


def _not_after(der: bytes) -> datetime:
    _, at, _ = _element(der, 0)  # Certificate
    _, at, _ = _element(der, at)  # TBSCertificate
    tag, _, end = _element(der, at)
    if tag == _VERSION:
        at = end
    for _ in ("serial number", "signature", "issuer"):
        _, _, at = _element(der, at)
    _, at, _ = _element(der, at)  # Validity
    _, _, at = _element(der, at)  # notBefore
    tag, begin, end = _element(der, at)
    text = der[begin:end].decode("ascii")
    if tag == _UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError("no time where one belongs")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _element(der: bytes, at: int) -> tuple[int, int, int]:
    """Tag, begin and end of the contents of what stands at `at` (X.690 8.1)."""
    tag, length, begin = der[at], der[at + 1], at + 2
    if length & _LONG:
        octets = length - _LONG
        length = int.from_bytes(der[begin : begin + octets])
        begin += octets
    end = begin + length
    if end > len(der):
        raise ValueError("cut short")
    return tag, begin, end

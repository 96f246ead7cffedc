"""Whether what proves a message's author proves as well whom he wrote it to, and in answer to what. Pure.

A signature covers the fields that its signer chose. Large providers leave To out, others let a Cc be added: whoever has
such a message may send it on with other ones, and it still proves its author.
"""

from collections.abc import Iterator

from routerd.auth.results import AuthResults, MethodResult
from routerd.auth.signature import read_tags
from routerd.auth.tag_list import split_list, without_space
from routerd.auth.unverified import Unverified
from routerd.message.headers import HeaderBlock

MAX_SIGNATURES = 10
_COVERED = ("to", "cc", "in-reply-to", "references")


def proves_addressees(headers: HeaderBlock, proofs: AuthResults) -> bool:
    """Whether SPF passes for the author's domain, or a signature of it covers all that says so.

    Where no signature is said to hold, DMARC can have passed by SPF alone. Never raises.
    """
    domain = (proofs.author or "").rpartition("@")[2]
    passed = [one for one in proofs.results if one.result == "pass" and one not in proofs.further]
    signed = [one for one in passed if one.method == "dkim"]
    if not signed:
        return True
    senders = ((one.property("smtp.mailfrom") or "").rpartition("@")[2] for one in passed if one.method == "spf")
    if any(_is_aligned(sender, domain) for sender in senders):
        return True
    return any(_is_aligned(_signer(one), domain) and _covers(headers, one) for one in signed)


def _covers(headers: HeaderBlock, result: MethodResult) -> bool:
    """Whether each signature that the result can be of covers each of those fields that there are."""
    found = list(_signed_names(headers, result))
    return bool(found) and all(
        headers.count(name) == 0 or (name in names and headers.is_plain(name)) for names in found for name in _COVERED
    )


def _signed_names(headers: HeaderBlock, result: MethodResult) -> Iterator[frozenset[str]]:
    start = without_space(result.property("header.b") or "")
    for value in headers.raw_values("dkim-signature")[:MAX_SIGNATURES]:
        try:
            tags = read_tags(value)
        except Unverified:
            continue
        if tags.get("d", "").lower() == _signer(result) and without_space(tags.get("b", "")).startswith(start):
            yield frozenset(split_list(tags.get("h", "")))


def _signer(result: MethodResult) -> str:
    named = result.property("header.d") or (result.property("header.i") or "").rpartition("@")[2]
    return named.lower().rstrip(".")


def _is_aligned(proven: str, domain: str) -> bool:
    """Whether one is the other, or stands below it. Domains beside each other are not known to be one owner's here."""
    proven, domain = proven.lower().rstrip("."), domain.lower()
    if "." not in proven or not domain:
        return False
    return f".{proven}".endswith(f".{domain}") or f".{domain}".endswith(f".{proven}")

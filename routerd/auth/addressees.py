"""Whether what proves a message's author proves as well whom he wrote it to, and in answer to what. Pure.

A signature covers the fields that its signer chose. Large providers leave To out, others let a Cc be added: whoever has
such a message may send it on with other ones, and it still proves its author. With its Message-ID signed it is known
when it comes again.
"""

from collections.abc import Iterable, Iterator, Mapping

from routerd.auth.results import AuthResults, MethodResult
from routerd.auth.signature import read_tags
from routerd.auth.tag_list import split_list, without_space
from routerd.auth.unverified import Unverified
from routerd.message.headers import HeaderBlock

MAX_SIGNATURES = 10
_COVERED = ("to", "cc", "in-reply-to", "references", "message-id")


def proves_addressees(headers: HeaderBlock, proofs: AuthResults) -> bool:
    """Whether SPF passes for the author's domain, or a signature of it covers all that says so.

    Where signatures were looked at and none holds, DMARC has passed by SPF alone. Where nobody says so, as of a hop
    that tells of DMARC only, each signature there is that it can have passed by has to cover it. Never raises.
    """
    domain = (proofs.author or "").rpartition("@")[2]
    believed = [one for one in proofs.results if one not in proofs.further]
    passed = [one for one in believed if one.result == "pass"]
    senders = [(one.property("smtp.mailfrom") or "").rpartition("@")[2] for one in passed if one.method == "spf"]
    if any(_is_aligned(sender, domain) for sender in senders):
        return True
    signed = [one for one in passed if one.method == "dkim"]
    if signed:
        return any(_is_aligned(_signer(one), domain) and _covers(headers, _signatures(headers, one)) for one in signed)
    if any(_may_be_aligned(sender, domain) for sender in senders):
        return False  # a domain beside the author's, which no signature is taken from either
    if any(one.method == "dkim" for one in believed):
        return True
    perhaps = [tags for tags in _all_signatures(headers) if _may_be_aligned(tags.get("d", "").lower(), domain)]
    return not perhaps or _covers(headers, perhaps)


def _covers(headers: HeaderBlock, signatures: Iterable[Mapping[str, str]]) -> bool:
    """Whether there are some, and each of them covers each of those fields that there are; Message-ID is."""
    found = [frozenset(split_list(tags.get("h", ""))) for tags in signatures]
    return (
        bool(found)
        and headers.count("message-id") > 0
        and all(
            headers.count(name) == 0 or (name in names and headers.is_plain(name))
            for names in found
            for name in _COVERED
        )
    )


def _signatures(headers: HeaderBlock, result: MethodResult) -> Iterator[Mapping[str, str]]:
    """Those that the result can be of."""
    start = without_space(result.property("header.b") or "")
    for tags in _all_signatures(headers):
        if tags.get("d", "").lower() == _signer(result) and without_space(tags.get("b", "")).startswith(start):
            yield tags


def _all_signatures(headers: HeaderBlock) -> Iterator[Mapping[str, str]]:
    for value in headers.raw_values("dkim-signature")[:MAX_SIGNATURES]:
        try:
            yield read_tags(value)
        except Unverified:
            continue


def _signer(result: MethodResult) -> str:
    named = result.property("header.d") or (result.property("header.i") or "").rpartition("@")[2]
    return named.lower().rstrip(".")


def _is_aligned(proven: str, domain: str) -> bool:
    """Whether one is the other, or stands below it. Domains beside each other are not known to be one owner's here."""
    proven, domain = proven.lower().rstrip("."), domain.lower()
    if "." not in proven or not domain:
        return False
    return f".{proven}".endswith(f".{domain}") or f".{domain}".endswith(f".{proven}")


def _may_be_aligned(signer: str, domain: str) -> bool:
    """Whether DMARC may pass by one for the other: such domains share at least their last two labels."""
    return signer.rstrip(".").split(".")[-2:] == domain.lower().split(".")[-2:]

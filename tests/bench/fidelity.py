"""Whether what has arrived is what was sent: each message once, its header's fields and its body byte for byte."""

import re
from collections.abc import Sequence

from bench.equal_rules import LABEL
from peers.machine import PeerError

_OF_EACH = re.compile(rb"(?im)^(Date|Message-Id): .*$")
_MESSAGE_ID = re.compile(rb"(?im)^Message-Id: (.*)$")


class WrongRunError(PeerError):
    """A message was lost, doubled or altered: such a run is no measurement. Says whose and what."""


def check(arrived: Sequence[bytes], count: int, sent: bytes, *, is_labelled: bool) -> None:
    """Raises WrongRunError. `arrived` has LF line ends; systems put what they add above what was there."""
    if len(arrived) != count:
        raise WrongRunError(f"{len(arrived)} messages have come of {count}")
    head, _, body = sent.partition(b"\n\n")
    own = _masked(head)
    for message in arrived:
        its_head, _, its_body = message.partition(b"\n\n")
        if its_body != body:
            raise WrongRunError(f"a body was altered: {_first_difference(its_body, body)}")
        if not _masked(its_head).endswith(b"\n" + own):
            raise WrongRunError(f"a header was altered:\n{its_head.decode(errors='replace')}")
        if is_labelled and f"\nX-Labels: {LABEL}\n".encode() not in b"\n" + its_head:
            raise WrongRunError(f"the last rule did not take effect:\n{its_head.decode(errors='replace')}")
    if _MESSAGE_ID.search(head):
        ids = {found[1] for message in arrived if (found := _MESSAGE_ID.search(message))}
        if len(ids) != count:
            raise WrongRunError(f"{count - len(ids)} messages were lost, and others came twice")


def _masked(head: bytes) -> bytes:
    return _OF_EACH.sub(rb"\1:", head)


def _first_difference(found: bytes, wanted: bytes) -> str:
    place = next((at for at, pair in enumerate(zip(found, wanted, strict=False)) if pair[0] != pair[1]), None)
    at = min(len(found), len(wanted)) if place is None else place
    return f"at byte {at} {found[at : at + 40]!r} stands for {wanted[at : at + 40]!r}"

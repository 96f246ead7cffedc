"""A copy made ready to leave: its annotated bytes and its return path."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Literal

import structlog

from routerd.auth.arc_sealing import arc_set
from routerd.auth.dkim_signing import Signer, signatures
from routerd.auth.signers import NO_SIGNERS, Signers
from routerd.config.settings import Addresses
from routerd.delivery.transports.content import Content
from routerd.desk.changes import Role
from routerd.message.address import Address, parse_address
from routerd.message.annotate import Annotated, annotate, attach_original
from routerd.message.desk_fields import NO_DESK_FIELDS, DeskFields
from routerd.message.encode import clean
from routerd.message.envelope import Raw
from routerd.message.headers import HeaderBlock, find_header_end
from routerd.message.key_ring import Keys
from routerd.message.leading import joined
from routerd.message.srs import issue_srs
from routerd.message.token import issue_return_path
from routerd.store.base import Copy

_FROM_US = frozenset({Role.FORWARD, Role.ANSWER, Role.DESK})

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ReturnPaths:
    """From where copies leave. `keys` are the store's for our own addresses."""

    style: Literal["inbox", "keep", "srs"]
    addresses: Addresses
    keys: Keys

    def of(self, copy: Copy, now: datetime) -> str:
        """MAIL FROM of one copy; "" for a message that itself came back to a return path.

        What rules send outside is nothing to the stranger: neither its bounces nor where it goes. What the desk says
        comes from us. A sender who cannot be wrapped by SRS gives way to a return path of our own.
        """
        if copy.to_return_path:
            return ""
        inbox = _inbox_address(copy.annotation.inbox)
        if self.style == "keep" and copy.role not in _FROM_US:
            return copy.sender
        if self.style == "srs" and copy.role not in _FROM_US:
            wrapped = issue_srs(copy.sender, inbox, now, self.addresses, self.keys)
            if wrapped is not None:
                return wrapped
        return issue_return_path(inbox, copy.number, now, self.addresses, self.keys)


def content_of(
    copy: Copy,
    raw: Raw,
    *,
    trusts_us: bool,
    desk: DeskFields = NO_DESK_FIELDS,
    sealer: Signer | None = None,
    signers: Signers = NO_SIGNERS,
    return_path: str | None = None,
    is_looked_at: bool = False,
) -> tuple[Content, Exception | None]:
    """The copy's bytes; and why its original is only attached, should the annotation have failed.

    Where the next hop does not trust us, nothing is added that a DKIM signature may cover, unless From is ours, too.
    `desk`: by which a member speaks to the desk. `sealer`: who adds to the chain of ARC, where it was looked at when
    the message came. `signers`: who signs what the inbox itself says. `return_path`: where nobody delivers it any
    further, by which that is told on top (RFC 5321 4.4). `is_looked_at`: as of `Content`. Raises ValueError for an
    answer without a head: nothing else of its message may go outside.
    """
    top = b"" if return_path is None else f"Return-Path: <{clean(return_path)}>\r\n".encode("utf-8", "replace")
    if copy.role is Role.ANSWER:
        return _answer(copy, raw, signers, top, is_looked_at), None
    try:
        header = copy.annotation.head or raw
        may_add_priority = trusts_us or not copy.annotation.priority or not _is_signed(header)
        annotated = annotate(
            header,
            copy.annotation,
            copy.id,
            may_add_priority=may_add_priority,
            desk=desk,
            replaced=() if return_path is None else ("return-path",),
        )
        if copy.annotation.head:
            body, start = joined(header[annotated.body_start :], raw)
            annotated = Annotated(annotated.head, start)
        else:
            body = raw
        head = annotated.head if sealer is None else _sealed(annotated, body, copy, sealer)
        if is_by_inbox(copy, desk):
            head = _signed(head, body, annotated.body_start, copy, signers)
        return Content(top + head, body, annotated.body_start, is_looked_at and body is raw), None
    except Exception as error:
        return Content(top + attach_original(raw, copy.annotation, copy.id)), error


def is_by_inbox(copy: Copy, desk: DeskFields) -> bool:
    """Whether the inbox stands in From, so that its domain signs."""
    return copy.role in (Role.ANSWER, Role.DESK) or desk.sender is not None


def _answer(copy: Copy, raw: Raw, signers: Signers, top: bytes, is_looked_at: bool) -> Content:
    """Its head and the body, nothing of ours beside but `top`."""
    head = copy.annotation.head
    if not head:
        raise ValueError("an answer has lost its head")
    body_start = find_header_end(raw).body_start
    return Content(top + _signed(head, raw, body_start, copy, signers), raw, body_start, is_looked_at)


def _signed(head: bytes, raw: Raw, body_start: int, copy: Copy, signers: Signers) -> bytes:
    """By the domain of the inbox, which stands in From. The same at each attempt."""
    domain = _inbox_address(copy.annotation.inbox).domain
    return signatures(head, raw, body_start, signers.of(domain), copy.created_at) + head


def _sealed(annotated: Annotated, raw: Raw, copy: Copy, sealer: Signer) -> bytes:
    """The same at each attempt. A seal is nice to have: without it the copy leaves as it is."""
    head, about = annotated.head, copy.annotation
    try:
        arc = arc_set(head, raw, annotated.body_start, sealer, about.auth_results, about.arc_chain, copy.created_at)
    except Exception:
        log.exception("copy_unsealed", id=copy.queue_id, copy=copy.id)
        return head
    return arc + head


@lru_cache(1000)
def _inbox_address(inbox: str) -> Address:
    return parse_address(inbox)


def _is_signed(raw: Raw) -> bool:
    return bool(HeaderBlock.scan(raw).raw_values("dkim-signature"))

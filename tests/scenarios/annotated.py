"""How a copy is held against the message that was sent: what stands above it, and that nothing else does."""

import re

OURS = re.compile(
    rb"(?i)(?:Delivered-To|X-Assigned-(?:To|Name)|X-Labels|X-Routerd-(?:Rules|Why|Id|Copy|Also|Trace|Note|Draft)|Importance|X-Priority"
    rb"|Authentication-Results|Received|Return-Path|X-Original-To):"
)


def added_header(copy: bytes, kept: bytes) -> bytes | None:
    """What stands above `kept` in a copy, if that is nothing but fields that we or a mail server add; else None.

    Line ends are LF in both.
    """
    if not copy.endswith(kept):
        return None
    head = copy[: len(copy) - len(kept)]
    fields = re.sub(rb"\n[ \t]+", b" ", head).splitlines()
    return head if fields and all(OURS.match(line) for line in fields) else None


def value(head: bytes, name: str) -> str:
    """The unfolded value of a field in an added header; "" where it is not there."""
    unfolded = re.sub(rb"\n[ \t]+", b" ", head)
    found = re.search(rb"(?mi)^" + name.encode() + rb":[ \t]*(.*)$", unfolded)
    return found[1].decode() if found else ""

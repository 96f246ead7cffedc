"""From where copies leave, and what they are."""

from dataclasses import replace
from datetime import timedelta

import pytest
from copies import NOW, a_copy
from structlog.testing import capture_logs

from routerd.auth.dkim_signing import Signer
from routerd.config.settings import Addresses
from routerd.delivery.letter import ReturnPaths, content_of
from routerd.desk.changes import Role
from routerd.message.address import parse_address
from routerd.message.dkim_keys import KeyKind
from routerd.message.key_ring import KeyRing
from routerd.message.srs import read_srs, unwrap

KEY = KeyRing.begun(b"k" * 32)


@pytest.mark.parametrize("role", list(Role))
def test_return_paths(role: Role) -> None:
    """Our own; or the stranger's where that is wanted, but never for what goes outside or is said by us; none for what
    came back."""
    is_from_us = role in (Role.FORWARD, Role.ANSWER, Role.DESK)
    ours, kept, wrapped = (ReturnPaths(style, Addresses(), KEY) for style in ("inbox", "keep", "srs"))
    copy = a_copy(role=role)
    assert ours.of(copy, NOW).startswith("support+b.")
    assert (kept.of(copy, NOW) == "anna@klient.test") is not is_from_us
    assert wrapped.of(copy, NOW).startswith("SRS0=") is not is_from_us
    for paths in (ours, kept, wrapped):
        assert paths.of(a_copy(role=role, to_return_path=True), NOW) == ""


def test_a_wrapped_sender_leads_back_to_him() -> None:
    """At the inbox's domain."""
    path = parse_address(ReturnPaths("srs", Addresses(), KEY).of(a_copy(), NOW))
    held = unwrap(path.local)
    assert held is not None
    assert str(read_srs(held, path.domain, KEY, NOW, timedelta(days=14))) == "anna@klient.test"


@pytest.mark.parametrize("sender", ["", "support@example.com", "a" * 60 + "@klient.test", "żaba@klient.test"])
def test_a_sender_who_cannot_be_wrapped_gives_way_to_our_own(sender: str) -> None:
    """Then the bounce is read here, and nothing is lost."""
    copy = a_copy(sender=sender)
    domain = copy.annotation.inbox.partition("@")[2]
    if sender.startswith("support"):
        copy = a_copy(sender=f"jan@{domain}")
    path = ReturnPaths("srs", Addresses(), KEY).of(copy, NOW)
    assert path.startswith("support+b.")


RAW = b"""From: Jan <jan@example.com>\r
X-Mailer: Secret 1.0\r
Received: from inside\r
Subject: Re: parcel\r
\r
We have found it.\r
"""
HEAD = b"From: Support <support@desk.test>\r\nSubject: Re: parcel\r\n\r\n"


def test_an_answer_is_its_head_and_the_body() -> None:
    """No header of ours, and none of the member's message, not even where annotating would have added it."""
    annotation = replace(a_copy().annotation, labels=("urgent",), headers=(("X-Team", "finance"),), head=HEAD)
    copy = a_copy(role=Role.ANSWER, member="anna@klient.test", mailbox="anna@klient.test", annotation=annotation)
    for trusts_us in (False, True):
        content, fault = content_of(copy, RAW, trusts_us=trusts_us)
        assert fault is None
        assert b"".join(content.pieces()) == HEAD + b"We have found it.\r\n"


@pytest.mark.parametrize("raw", [b"We have found it.\r\n", b"\r\nWe have found it.\r\n", b"From: a@b\r\n", b"\n", b""])
def test_an_answer_to_which_nothing_can_be_read_has_its_body_at_most(raw: bytes) -> None:
    """Header fields never pass for its body."""
    copy = a_copy(role=Role.ANSWER, annotation=replace(a_copy().annotation, head=HEAD))
    content, _ = content_of(copy, raw, trusts_us=False)
    whole = b"".join(content.pieces())
    assert whole.startswith(HEAD)
    assert b"a@b" not in whole


def test_an_answer_without_a_head_goes_nowhere() -> None:
    """Its own header would tell the customer of the desk."""
    with pytest.raises(ValueError, match="head"):
        content_of(a_copy(role=Role.ANSWER), RAW, trusts_us=False)


def test_a_note_goes_to_members_under_its_head_with_the_usual_words_on_top() -> None:
    """The header of the message it was made from is not in it."""
    copy = a_copy(role=Role.DESK, annotation=replace(a_copy().annotation, head=HEAD))
    content, fault = content_of(copy, RAW, trusts_us=False)
    whole = b"".join(content.pieces())
    assert fault is None
    assert whole.startswith(b"Delivered-To: support@desk.test\r\n")
    assert whole.endswith(HEAD + b"We have found it.\r\n")
    assert b"Secret" not in whole


def test_where_nobody_delivers_it_further_it_says_where_it_left_from() -> None:
    """On top, in the place of what a server or a stranger wrote there, folded, too; once whatever becomes of it."""
    raw = b"Return-Path: <ceo@far.test>\r\nreturn-PATH :\r\n <spoof@far.test>\r\n" + RAW
    for path in ("support+b.token@desk.test", "", "żaba@klient.test"):
        first = f"Return-Path: <{path}>\r\n".encode()
        for role in (Role.OWNER, Role.FORWARD):
            content, _ = content_of(a_copy(role=role), raw, trusts_us=False, return_path=path)
            whole = b"".join(content.pieces())
            assert whole.startswith(first + b"Delivered-To: support@desk.test\r\n")
            assert whole.endswith(b"\r\n" + RAW)
            assert b"far.test" not in whole
        answer = a_copy(role=Role.ANSWER, annotation=replace(a_copy().annotation, head=HEAD))
        content, _ = content_of(answer, raw, trusts_us=False, return_path=path)
        assert b"".join(content.pieces()) == first + HEAD + b"We have found it.\r\n"


def test_on_the_way_nothing_is_said_or_cut_there() -> None:
    """It is for the last server (RFC 5321 4.4)."""
    raw = b"Return-Path: <anna@klient.test>\r\n" + RAW
    content, _ = content_of(a_copy(), raw, trusts_us=True)
    assert b"".join(content.pieces()).endswith(raw)


def test_the_copy_with_its_original_as_a_file_says_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever failed, a bounce or an out-of-office has an address to go to."""
    monkeypatch.setattr("routerd.delivery.letter.annotate", lambda *_args, **_more: 1 / 0)
    content, fault = content_of(a_copy(), RAW, trusts_us=True, return_path="support+b.token@desk.test")
    assert fault is not None
    assert b"".join(content.pieces()).startswith(b"Return-Path: <support+b.token@desk.test>\r\nDelivered-To: ")


class _BrokenKey:
    """As a library may fail on a key that it took before."""

    kind = KeyKind.RSA

    def sign(self, _data: bytes) -> bytes:
        raise RuntimeError("the library gave up")


def test_a_copy_that_cannot_be_sealed_leaves_unsealed() -> None:
    """Its next hop gets the message itself, not the message as a file; the log says why it has no seal."""
    sealer = Signer("desk.test", "s2026", _BrokenKey())  # type: ignore[arg-type]
    annotation = replace(a_copy().annotation, auth_results="desk.test; none", arc_chain="none")
    copy = a_copy(annotation=annotation)
    bare, _ = content_of(copy, RAW, trusts_us=False)
    with capture_logs() as logged:
        content, fault = content_of(copy, RAW, trusts_us=False, sealer=sealer)
    assert fault is None
    assert b"".join(content.pieces()) == b"".join(bare.pieces())
    assert [(line["event"], line["copy"]) for line in logged] == [("copy_unsealed", copy.id)]

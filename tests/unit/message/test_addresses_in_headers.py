"""Address headers, tolerantly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerd.message.address_list import MAX_MAILBOXES, Mailbox, parse_mailboxes


@pytest.mark.parametrize(
    ("value", "mailboxes"),
    [
        ("Anna <Anna@Klient.PL>", [("Anna", "anna@klient.pl")]),
        ('"Nowak, Anna" <a@b.c>, x@y.z', [("Nowak, Anna", "a@b.c"), ("", "x@y.z")]),
        ("a@b.c (Anna (of sales) N)", [("Anna (of sales) N", "a@b.c")]),
        ("undisclosed-recipients:;", []),
        ("Team: a@b.c, D <d@e.f>; g@h.i", [("", "a@b.c"), ("D", "d@e.f"), ("", "g@h.i")]),
        ("a@b; c@d", [("", "a@b"), ("", "c@d")]),
        ("=?utf-8?q?=C5=81=2C_x?= <a@b.c>", [("Ł, x", "a@b.c")]),
        ('"=?utf-8?q?=C5=81?= x" <a@b.c>', [("Ł x", "a@b.c")]),
        ("=?utf-8?q?a,b?= <x@y>", [("a,b", "x@y")]),
        ("<@relay1,@relay2:c@d.e>", [("", "c@d.e")]),
        ("<a@b.c", [("", "a@b.c")]),
        ("Anna anna@b.c", [("Anna", "anna@b.c")]),
        ("a @ b.c", [("", "a@b.c")]),
        ('"a b"@c.d', [("", "a b@c.d")]),
        ("a@b <c@d>", [("a@b", "c@d")]),
        ("a@żółw.pl", [("", "a@xn--w-uga1v8h.pl")]),
        ("a@[192.0.2.1]", [("", "a@[192.0.2.1]")]),
        ("a@under_score.com.", [("", "a@under_score.com")]),
        ("A\r\n <mailto:a@b>", [("A", "a@b")]),
        ("a@[", []),
        ("Anna", []),
        ("", []),
        ("<>", []),
    ],
)
def test_mailboxes_as_people_write_them(value: str, mailboxes: list[tuple[str, str]]) -> None:
    assert parse_mailboxes(value) == tuple(Mailbox(*each) for each in mailboxes)


def test_a_decoded_name_cannot_add_an_address() -> None:
    """Encoded words are decoded after the addresses are told apart."""
    name = "=?utf-8?q?x=3Cceo=40example.com=3E=2C?="
    assert parse_mailboxes(f"{name} <a@b.c>") == (Mailbox("x<ceo@example.com>,", "a@b.c"),)


def test_at_most_a_thousand() -> None:
    assert len(parse_mailboxes("a@b," * 5000)) == MAX_MAILBOXES


@pytest.mark.parametrize("piece", [";", "(", "<", '"', "=?", "a@", ":", "\\", "()", "a@b:", "=?a?q?", "(a", " "])
def test_hostile_lists_are_read_to_their_end(piece: str) -> None:
    parse_mailboxes(piece * 20_000 + " Anna <a@b.c>")
    parse_mailboxes("x " * 9_000 + "a@" + piece * 9_000)


@given(st.text(st.sampled_from('ab@.,;:<>()"\\[]=?q \r\n') | st.characters()))
def test_no_list_raises(value: str) -> None:
    for mailbox in parse_mailboxes(value):
        assert "@" in mailbox.address
        assert not {"\r", "\n", "\0"} & set(mailbox.address + mailbox.name)


_PIECES = (
    "Anna", "Żółw ", " ", "<", ">", "<anna@klient.pl>", ", ", ",", "a@B.c", "@", "=?utf-8?q?x?=", "(c)", ":", ";", "\t",
    "-", "..", "a_b", "mailto:", "[1.2.3.4]", "\x85", "\xa0", "a" * 70, "b" * 300, "\0", "\\", "O'B",
)  # fmt: skip


@given(st.lists(st.sampled_from(_PIECES), max_size=10).map("".join))
def test_plain_mailboxes_read_as_among_others(value: str) -> None:
    """What is written plainly is read a faster way; a quoted name before it makes no difference."""
    assert parse_mailboxes(f'"Q" <q@example.com>,{value}')[1:] == parse_mailboxes(value)

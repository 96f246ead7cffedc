"""Addresses and paths as RFC 5321 has them: refused, never repaired."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerd.message.address import Address, AddressError, parse_address, parse_domain, parse_path

ASCII_CHARS = st.characters(max_codepoint=0x7E, min_codepoint=0x20)


@pytest.mark.parametrize(
    ("text", "local", "domain"),
    [
        ("anna@klient.pl", "anna", "klient.pl"),
        ("support+b.TOKEN@Example.COM", "support+b.TOKEN", "example.com"),
        ("!#$%&'*+-/=?^_`{|}~@x.y", "!#$%&'*+-/=?^_`{|}~", "x.y"),
        ('"a b"@x.y', "a b", "x.y"),
        ('"a\\"b\\\\"@x.y', 'a"b\\', "x.y"),
        ('"a@b"@x.y', "a@b", "x.y"),
        ('"plain"@x.y', "plain", "x.y"),
        ("a@[192.0.2.1]", "a", "[192.0.2.1]"),
        ("a@[ipv6:2001:DB8::1]", "a", "[IPv6:2001:db8::1]"),
        ("a@localhost", "a", "localhost"),
        ("user%other.example@x.y", "user%other.example", "x.y"),
    ],
)
def test_well_formed(text: str, local: str, domain: str) -> None:
    """What the grammar allows is read; percent signs mean nothing."""
    assert parse_address(text) == Address(local, domain)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "a",
        "a@",
        "@b.c",
        "a@b@c",
        "a b@c.d",
        ".a@b.c",
        "a.@b.c",
        "a..b@b.c",
        "a@b..c",
        "a@.b",
        "a@b.",
        "a@-b.c",
        "a@b-.c",
        "a@b c.d",
        "a@b c",
        "a(comment)@b.c",
        "a@b.c(comment)",
        "<a@b.c>",
        "a@b.c\r\nRCPT TO:<z@z.z>",
        "a\0@b.c",
        "a\r@b.c",
        "a\n@b.c",
        '"a\0"@b.c',
        '"a\r\n b"@b.c',
        '""@b.c',
        '"a@b.c',
        '"a"b@b.c',
        'a"b"@b.c',
        '"a\\"@b.c',
        "żaba@b.c",
        "a@żaba.pl",
        "=?utf-8?q?a=0d=0aRCPT_TO:=3cz=40z.z=3e=0d=0a?=@b.c",
        "=?utf-8?q?support?=@x",
        "x=?utf-8?q?support?=@x",
        '"=?utf-8?q?support?="@x',
        "a@[192.0.2.1",
        "a@192.0.2.1]",
        "a@[192.0.2.256]",
        "a@[]",
        "a@[IPv6:fe80::1%eth0]",
        "a@[tag:whatever]",
        "a@[192.0.2.01]",
        "a@[192.0.2]",
        "a@[ 192.0.2.1]",
        "a@[192.0.2.1/32]",
        "a@[\u0661\u0669\u0662.0.2.1]",
        "a@[2001:db8::1]",
        "a@[IPv6:192.0.2.1]",
        "a@[IPv6:2001:db8::1::2]",
        "a@[IPv6:2001:db8::1/64]",
        "a@[[192.0.2.1]]",
        "a@[192.0.2.1].b",
        "a@xn--a.c",
        "a@xn--99999999.c",
        "a@XN--A.c",
        "a@b.xn--.c",
        '"a\tb"@b.c',
        '"a\\',
        "a" * 65 + "@b.c",
        "a@" + "b" * 64 + ".c",
        "a" * 64 + "@" + ".".join(["b" * 60] * 4),
    ],
)
def test_refused(text: str) -> None:
    """What no path may hold is refused, and the reason is ASCII on one line."""
    with pytest.raises(AddressError) as refusal:
        parse_address(text)
    assert str(refusal.value).isascii()
    assert str(refusal.value).isprintable()


def test_lengths_at_the_limit() -> None:
    """64 octets of local part, and 254 in all, are allowed."""
    domain = ".".join(["b" * 62] * 3)
    assert parse_address("a" * 64 + "@" + domain).local == "a" * 64
    full = "a" * 64 + "@" + domain + "c"
    assert len(full) == 254
    parse_address(full)
    with pytest.raises(AddressError):
        parse_address(full + "c")


@pytest.mark.parametrize("bad", ["\u2028", "\u0085", "\ud800", "\x7f"])
def test_utf8_does_not_let_line_ends_in(bad: str) -> None:
    """Unicode's own line ends, controls and lone surrogates are refused with SMTPUTF8 too."""
    for text in (f"a{bad}@b.c", f'"a{bad}"@b.c', f"a@b{bad}.c"):
        with pytest.raises(AddressError):
            parse_address(text, utf8=True)


@pytest.mark.parametrize("mark", ["\u202e", "\u2066", "\u200f", "\u061c"])
def test_utf8_does_not_turn_the_text(mark: str) -> None:
    """What reorders the text around it is refused; the joiners that Persian and Hindi write with are not."""
    for text in (f"a{mark}b@b.c", f'"a {mark}b"@b.c', f"a@b{mark}.c"):
        with pytest.raises(AddressError):
            parse_address(text, utf8=True)
    parse_address("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645@b.c", utf8=True)


def test_utf8_counts_octets() -> None:
    """The limit of the local part is in octets of UTF-8."""
    parse_address("ż" * 32 + "@b.c", utf8=True)
    with pytest.raises(AddressError):
        parse_address("ż" * 33 + "@b.c", utf8=True)


@pytest.mark.parametrize(
    ("text", "a_labels"),
    [
        ("Żaba.PL", "xn--aba-22a.pl"),
        ("straße.de", "xn--strae-oqa.de"),
        ("مثال.إختبار", "xn--mgbh0fb.xn--kgbechtv"),
        ("例え.jp", "xn--r8jz45g.jp"),
    ],
)
def test_u_labels(text: str, a_labels: str) -> None:
    """A domain in U-labels becomes the A-labels of IDNA2008."""
    assert parse_domain(text, utf8=True) == a_labels


@pytest.mark.parametrize(
    "text", ["xn--aba-22a.pl", "r3---sn-4g5e.test", "XN--STRAE-OQA.de", "xn--i-7iq.ws", "b_c.test"]
)
def test_labels_with_hyphens(text: str) -> None:
    """A-labels, an emoji's too, and labels that only look a little like them are taken as they are."""
    assert parse_domain(text) == text.lower()


@pytest.mark.parametrize(
    "text", ["a\u0645.c", "\u06451a.c", "1.\u0645\u062b\u0627\u0644", "\u0645-.c", "\u06451\u0661.c"]
)
def test_labels_that_mix_directions(text: str) -> None:
    """They would be read in another order than they stand in (RFC 5893)."""
    with pytest.raises(AddressError):
        parse_domain(text, utf8=True)


@pytest.mark.parametrize(
    "text", ["ｅxample.com", "a。b", "a\u200db.c", "\u0301a.b", "ab--ż.c", "ż" * 64 + ".c", "ż-.c", "☃.c"]
)
def test_u_labels_that_would_need_guessing(text: str) -> None:
    """Full-width letters, other dots and invisible characters are not mapped to some other domain."""
    with pytest.raises(AddressError):
        parse_domain(text, utf8=True)


@given(st.text(max_size=300), st.booleans())
def test_nothing_but_address_errors(text: str, utf8: bool) -> None:
    """No text makes anything else than an answer or an AddressError, and what is read can be read again."""
    for read in (lambda: parse_address(text, utf8=utf8), lambda: parse_address(text + "@b.c", utf8=utf8)):
        try:
            address = read()
        except AddressError:
            continue
        assert parse_address(str(address), utf8=utf8) == address


@given(st.text(ASCII_CHARS, min_size=1, max_size=20), st.sampled_from(["b.c", "[192.0.2.1]", "[IPv6:::1]"]))
def test_quoted_local_parts_round_trip(local: str, domain: str) -> None:
    """Any printable local part survives being written and read."""
    address = Address(local, domain)
    if "=?" not in local:
        assert parse_address(str(address)) == address


@given(st.text(max_size=300), st.booleans())
def test_domains_never_surprise(text: str, utf8: bool) -> None:
    """A domain that is read is ASCII, in lower case but for `IPv6`, and reads the same again."""
    try:
        domain = parse_domain(text, utf8=utf8)
    except AddressError:
        return
    assert domain.isascii()
    assert parse_domain(domain) == domain


@pytest.mark.parametrize(
    ("text", "address", "rest"),
    [
        ("<>", None, ""),
        ("<> BODY=8BITMIME", None, "BODY=8BITMIME"),
        ("<a@b.c>", "a@b.c", ""),
        ("<a@b.c> SIZE=10 ENVID=QQ", "a@b.c", "SIZE=10 ENVID=QQ"),
        ('<"a>b"@c.d> X', '"a>b"@c.d', "X"),
        ('<"a\\">b"@c.d>', '"a\\">b"@c.d', ""),
        ("<@a.b,@c.d:user@dom.example>", "user@dom.example", ""),
        ("<@a.b:user@dom.example> SIZE=1", "user@dom.example", "SIZE=1"),
        ("<@[192.0.2.1]:user@dom.example>", "user@dom.example", ""),
    ],
)
def test_paths(text: str, address: str | None, rest: str) -> None:
    """A path is read to its own bracket; source routes are dropped; parameters stay as written."""
    found, parameters = parse_path(text)
    assert (str(found) if found else None, parameters) == (address, rest)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a@b.c",
        "<a@b.c",
        "a@b.c>",
        "<<a@b.c>>",
        "<a@b.c>SIZE=1",
        "< >",
        "< a@b.c>",
        "<a@b.c >",
        '<"a>',
        '<"a@b.c>',
        "<@>",
        "<@a.b>",
        "<@a.b:>",
        "<@a.b user@c.d>",
        "<@a b:user@c.d>",
        "<@a.b,c.d:user@c.d>",
        "<@a.b,:user@c.d>",
        "<a@b.c\0>",
        "<Postmaster>",
        "<" + "a" * 300 + "@b.c>",
        "<@" + "a." * 300 + "a:u@b.c>",
    ],
)
def test_bad_paths(text: str) -> None:
    """Brackets that are not closed, text outside them, and broken routes are refused."""
    with pytest.raises(AddressError):
        parse_path(text)


@given(st.text(alphabet='<>"\\@,:. ab\0', max_size=60), st.booleans())
def test_paths_never_surprise(text: str, utf8: bool) -> None:
    """No path makes anything but an answer or an AddressError."""
    with suppress(AddressError):
        parse_path(text, utf8=utf8)


@pytest.mark.parametrize("text", ['<"' + "\\a" * 200_000, '<"' + "a" * 400_000, "<" + '"a"' * 100_000, "a." * 200_000])
def test_long_input_is_linear(text: str) -> None:
    """Hundreds of kilobytes of unclosed quotes are refused in one pass."""
    with pytest.raises(AddressError):
        parse_path(text)
    with pytest.raises(AddressError):
        parse_address(text)


def test_details() -> None:
    """A detail stands behind the delimiter; a base may hold the delimiter itself."""
    assert parse_address("support+b.x+y@b.c").without_detail("+") == (Address("support", "b.c"), "b.x+y")
    assert parse_address("+x@b.c").without_detail("+") == (Address("+x", "b.c"), None)
    assert parse_address("support@b.c").without_detail("+") == (Address("support", "b.c"), None)
    splits = [(base.local, detail) for base, detail in parse_address("my-team-b.x@b.c").splits("-")]
    assert splits == [("my-team", "b.x"), ("my", "team-b.x")]
    assert list(parse_address("-x@b.c").splits("-")) == []


def test_key_joins_spellings() -> None:
    """Two spellings of one mailbox of ours have one key."""
    assert parse_address("Support@Example.COM").key == parse_address('"support"@example.com').key
    composed, decomposed = (parse_address(f"{local}@b.c", utf8=True).key for local in ("\u00f3", "O\u0301"))
    assert composed == decomposed

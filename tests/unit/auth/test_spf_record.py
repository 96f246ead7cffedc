"""SPF records and their macros, read and expanded."""

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerd.auth.spf import MAX_OCTETS
from routerd.auth.spf_macros import MAX_NAME, SpfSyntaxError, expand, parse_domain_spec
from routerd.auth.spf_record import Mechanism, parse_record, spf_records

# The domain and client of RFC 7208 7.4.
VALUES = {
    "s": "strong-bad@email.example.com", "l": "strong-bad", "o": "email.example.com", "d": "email.example.com",
    "i": "192.0.2.3", "v": "in-addr", "h": "mx.example.org", "p": "mx.example.org",
}  # fmt: skip
IPV6 = "2.0.0.1.0.d.b.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.c.b.0.1"


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("%{s}.x.y", "strong-bad@email.example.com.x.y"),
        ("%{o}", "email.example.com"),
        ("%{d4}", "email.example.com"),
        ("%{d3}", "email.example.com"),
        ("%{d2}", "example.com"),
        ("%{d1}.x.y", "com.x.y"),
        ("%{dr}", "com.example.email"),
        ("%{d2r}", "example.email"),
        ("%{l}.x.y", "strong-bad.x.y"),
        ("%{l-}", "strong.bad"),
        ("%{lr}.x.y", "strong-bad.x.y"),
        ("%{lr-}", "bad.strong"),
        ("%{l1r-}.x.y", "strong.x.y"),
        ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
        ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
        ("%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"),
        ("%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com"),
        ("%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"),
    ],
)
def test_the_examples_of_rfc_7208(spec: str, name: str) -> None:
    """RFC 7208 7.4."""
    assert expand(parse_domain_spec(spec), VALUES) == name


def test_the_ipv6_example_of_rfc_7208() -> None:
    values = {**VALUES, "i": IPV6, "v": "ip6"}
    assert expand(parse_domain_spec("%{ir}.%{v}._spf.%{d2}"), values) == f"{IPV6[::-1]}.ip6._spf.example.com"


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("%{d100r}", "com.example.email"),
        ("%{d" + "9" * 5000 + "}", "email.example.com"),
        ("%{d0002}", "example.com"),
        ("%{L}.x.y", "strong-bad.x.y"),
        ("%{S}.x.y", "strong-bad%40email.example.com.x.y"),
        ("%{s" + "-+,/_=." * 500 + "}", "strong.bad@email.example.com"),
        ("%{DR}", "com.example.email"),
        ("%{d}.example.com.", "email.example.com.example.com"),
        ("%{h}", "mx.example.org"),
        ("a%%b%_c%-.example.com", "a%b c%20.example.com"),
    ],
)
def test_macros(spec: str, name: str) -> None:
    assert expand(parse_domain_spec(spec), VALUES) == name


@pytest.mark.parametrize(
    "value",
    [
        "", ".", "a..b", ".a", "x" * 64, "a\\.b", "a\x00b", "a\tb", "ż", "a\r\nb", "\ud800",
    ],
)  # fmt: skip
def test_what_no_name_can_be_is_not_asked_for(value: str) -> None:
    """It comes from a stranger's EHLO or local part; in UTF-8 it names nothing, either (RFC 8616 4)."""
    assert expand(parse_domain_spec("%{h}.example.com"), {"h": value}) is None
    if not value.isascii():
        assert expand(parse_domain_spec("%{H}.example.com"), {"h": value}) is None


@given(st.lists(st.sampled_from(["%{s}", "%{l}.", ".", "a", "example.com.", "%{d100r}", "%{i}."]), max_size=200))
def test_names_are_cut_from_the_left(pieces: list[str]) -> None:
    """To whole labels, and to the longest name that fits (RFC 7208 7.3)."""
    spec = "".join(pieces) + "x.example.com"
    whole = "".join(VALUES[piece[2]] if piece in ("%{s}",) else piece for piece in pieces)
    whole = whole.replace("%{l}", VALUES["l"]).replace("%{i}", VALUES["i"]).replace("%{d100r}", "com.example.email")
    whole += "x.example.com"
    while len(whole) > MAX_NAME:
        whole = whole.partition(".")[2]
    is_name = all(0 < len(label) < 64 for label in whole.split("."))
    assert expand(parse_domain_spec(spec), VALUES) == (whole if is_name else None)


@pytest.mark.parametrize(
    "terms",
    [
        "moo", "al", "all.", "-all:x.y", "all/8", "--all", "=all", "+", "1up=x", "a:", "a:com", "a:com.", "a:1.2.3.4",
        "a/33", "a//129", "a/024", "a/24/64", "a/24//", "a/", "a:x.y/", "a:x.y/24//64/3", "mx:x.y//64/24", "ptr/0",
        "include", "include:", "include:x.y/24", "exists", "exists:", "-exists", "exists:x.y/24", "ip4", "ip4:",
        "ip4:1.2.3", "ip4:1.2.3.256", "ip4:1.2.3.04", "ip4:1.2.3.4/33", "ip4:1.2.3.4/", "ip4:1.2.3.4//32",
        "ip4:1.2.3.4:80", "ip4:١.2.3.4", "ip6:1.2.3.4", "ip6", "ip6::", "ip6:::1%eth0", "ip6:::1/129", "ip6:::1//64",
        "redirect=", "redirect=x", "redirect:x.y", "redirect=a.b redirect=a.b", "exp=", "exp=a.b EXP=a.b",
        "exp=%{r}.a.b", "a:%{c}.b.c", "a:%{x}.b.c", "a:%{d", "a:%d}", "a:%", "a:%{d0}", "a:%{d00}", "a:%{d-r}",
        "a:%{}", "a:%{d}.", "moo=%", "moo=%{q}", "moo=\x7f", "a:ż.example.com", "a\t-all", "a\r\n", "a:a.b\0",
    ],
)  # fmt: skip
def test_faults_of_a_record(terms: str) -> None:
    """Wherever they stand (RFC 7208 4.6)."""
    for record in (f"v=spf1 {terms} -all", f"v=spf1 +all {terms}"):
        with pytest.raises(SpfSyntaxError, match=r"."):
            parse_record(record)


@pytest.mark.parametrize(
    "terms",
    [
        "", "   ", "ALL", "Ip4:1.2.3.4", "iP6:::1", "a//64", "a/0", "mx/24//0", "ptr", "ptr:%{d}", "a:%{d}/24",
        "a:x.y/24//64", "include:a_b.example.com", "exists:%{i}._h.%{h}.x-y.z", "a:foo:bar/baz.example.com",
        "moo=", "moo=a moo=b", "m.o_o-0=%{r}", "redirect=%{d2}", "EXP=x.y", "a:xn--4a.xn--p1ai", "a:x.1-1",
    ],
)  # fmt: skip
def test_records_without_a_fault(terms: str) -> None:
    parse_record(f"v=spf1 {terms}")


def test_what_a_record_says() -> None:
    record = parse_record("V=SPF1 ?a:x.example.com/24//64  -IP4:192.0.2.255/25 redirect=_spf.example.com")
    a, ip4 = record.directives
    assert (a.result, a.mechanism, a.written) == ("neutral", Mechanism.A, "?a:x.example.com/24//64")
    assert (a.target, a.bits_v4, a.bits_v6) == (("x.example.com",), 8, 64)
    assert (ip4.result, ip4.network << ip4.bits_v4) == ("fail", 0xC0000280)
    assert record.redirect == ("_spf.example.com",)


def test_records_among_others() -> None:
    """RFC 7208 4.5: the version ends at a space or with the record."""
    texts = ["v=spf1", "V=spf1 a", "v=spf10", "v=spf1\ta", " v=spf1", "v=spf2.0/pra", "", "v=spf1a", "google=v=spf1 a"]
    assert spf_records(texts) == ["v=spf1", "V=spf1 a"]


@pytest.mark.parametrize(
    "piece",
    [
        " a", "  ", "%{", "%{s100r}.", "/24", "//", ":", "=", ".", "ip4:1.2.3.4 ", "ip6:", "%", "%%", "moo=%{s}",
        "a:%{d9999999}", "-+,/_=", "0", "%{d" , "redirect=", "\xff", "a.b/1//1",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "start", ["v=spf1 ", "v=spf1 a:", "v=spf1 exists:%{l", "v=spf1 moo=", "v=spf1 ip6:", "v=spf1 a/"]
)
def test_hostile_records_are_short_work(start: str, piece: str) -> None:
    """The longest that is read takes what is in proportion to its length."""
    record = (start + piece * MAX_OCTETS)[:MAX_OCTETS]
    began = process_time()
    for end in ("", "}", " -all", "x.example.com"):
        _parse(record[: MAX_OCTETS - len(end)] + end)
    assert process_time() - began < 1.0


def _parse(record: str) -> None:
    try:
        found = parse_record(record)
    except SpfSyntaxError:
        return
    for directive in found.directives[:20]:
        if directive.target is not None:
            name = expand(directive.target, VALUES)
            assert name is None or len(name) <= MAX_NAME

"""Authentication-Results: what is read, what is believed, and what cannot hurt."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerd.auth.results import MAX_RESULTS, AuthResults, MethodResult, believed_results, parse_results
from routerd.message.headers import HeaderBlock

IDS = ("mx.example.com",)


@dataclass(frozen=True)
class Mailbox:
    address: str


@dataclass(frozen=True)
class View:
    headers: HeaderBlock
    author: Mailbox | None

    def addresses(self, _name: str) -> tuple[Mailbox, ...]:
        return (self.author,) if self.author else ()


def view(*lines: str, author: str | None = "ewa@example.com") -> View:
    """A message with these header lines, and a From where there is an author."""
    top = [*lines, f"From: {author}"] if author else [*lines]
    return View(HeaderBlock.scan("\r\n".join([*top, "", "body"]).encode()), Mailbox(author) if author else None)


def test_the_examples_of_the_rfc() -> None:
    """RFC 8601 appendix B: comments, versions, reasons, several properties and methods."""
    assert parse_results(b"example.org 1; none") == ("example.org", ())
    value = b"""example.com; auth=pass (cram-md5) smtp.auth=sender@example.net; spf=pass smtp.mailfrom=example.net;
      dkim=pass reason="good signature" header.i=@mail-router.example.net header.b=oINEO8hg"""
    assert parse_results(value) == (
        "example.com",
        (
            MethodResult("auth", "pass", (("smtp.auth", "sender@example.net"),)),
            MethodResult("spf", "pass", (("smtp.mailfrom", "example.net"),)),
            MethodResult(
                "dkim", "pass", (("header.i", "@mail-router.example.net"), ("header.b", "oINEO8hg")), "good signature"
            ),
        ),
    )
    value = b"""foo.example.net (foobar) 1 (baz); dkim (Because I like it) / 1 (One yay) = (wait for it) fail
      policy (A dot can go here) . (like that) expired (this surprised me) = (as I wasn't expecting it) 1362471462"""
    assert parse_results(value) == (
        "foo.example.net",
        (MethodResult("dkim", "fail", (("policy.expired", "1362471462"),)),),
    )


@pytest.mark.parametrize(
    ("value", "results"),
    [
        (b"mx;SPF=Pass", [("spf", "pass")]),
        (b"mx; dkim=pass; dkim=fail;", [("dkim", "pass"), ("dkim", "fail")]),
        (b'"mx"; spf=pass', [("spf", "pass")]),
        (b"(a (nested \\) ) one) mx (x); spf=pass", [("spf", "pass")]),
        (b'mx; spf=fail reason="; dmarc=pass"', [("spf", "fail")]),
        (b"mx; spf=fail (; dmarc=pass)", [("spf", "fail")]),
        (b"mx; spf=fail (unclosed ; dmarc=pass", [("spf", "fail")]),
        (b'mx; spf=fail; iprev=pass reason="unclosed ; dmarc=pass', [("spf", "fail")]),
        (b"mx; spf; =pass; spf=; /=; dmarc=pass", [("dmarc", "pass")]),
        (b"mx; spf=pass) ; dmarc=pass", [("dmarc", "pass")]),
        (b"mx; x-custom_method=pass", [("x-custom_method", "pass")]),
    ],
)
def test_odd_values(value: bytes, results: list[tuple[str, str]]) -> None:
    """Quotes and comments hide what they hold; what does not parse says nothing."""
    authserv_id, found = parse_results(value)
    assert authserv_id == "mx"
    assert [(result.method, result.result) for result in found] == results


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b";",
        b"mx\x0b1; spf=pass",
        b"mx\xc2\xa01; spf=pass",
        b"spf=pass; dmarc=pass",
        b"a b; spf=pass",
        b"(mx; spf=pass",
        b'"mx; spf=pass',
        b"/1;",
    ],
)
def test_without_an_authserv_id(value: bytes) -> None:
    """A field that does not say who speaks is not listened to."""
    assert parse_results(value) == (None, ())


def test_values_that_hold_other_properties() -> None:
    """A quoted value cannot bring a property of its own, known or unknown the name before it."""
    value = b'mx; dmarc=pass action="x header.from=evil.example y" smtp.x="a header.from=worse.example"@b'
    value += b" header.from=ok.example"
    _, (result,) = parse_results(value)
    assert result.property("header.from") == "ok.example"
    assert result.property("smtp.x") == "a header.from=worse.example@b"


def test_words_that_are_no_properties_are_skipped() -> None:
    """Exchange writes `action=none` between its properties."""
    _, (result,) = parse_results(b"mx; dmarc=pass action=none header.from=example.com reason=100")
    assert result == MethodResult("dmarc", "pass", (("header.from", "example.com"),), "100")


@given(st.one_of(st.binary(max_size=200), st.text(alphabet='mx;=.()"\\ reason/1\t', max_size=200).map(str.encode)))
def test_never_raises(value: bytes) -> None:
    """No bytes are an exception."""
    parse_results(value)


@pytest.mark.parametrize(
    "value",
    [
        b"mx" + b";" * 60_000,
        b"mx;" + b"(" * 60_000,
        b"mx;" + b"()" * 30_000,
        b"mx; spf=pass " + b"(" * 30_000 + b")" * 30_000,
        b"mx; spf=pass" + b" a.b=c" * 10_000,
        b"mx; spf=pass" + b' "' * 30_000,
        b"mx; spf=pass" + b" \\" * 30_000,
        b"mx; " + b"a" * 60_000,
        b"mx; spf=pass " + b"a." * 30_000,
        b"mx; spf=pass reason=" + b'"\\"' * 20_000,
        b"mx;" + b" spf=pass;" * 6_000,
        b"mx; " + b" \t" * 30_000,
        b"mx" * 10_000_000,
    ],
)
def test_hostile_values_are_linear_and_bounded(value: bytes) -> None:
    """Sixty thousand of anything are read in one pass, and give at most MAX_RESULTS."""
    assert len(parse_results(value)[1]) <= MAX_RESULTS


LOGIN = "Authentication-Results: mx.example.com; auth=pass smtp.auth=Ewa@Example.com"
DMARC = "Authentication-Results: mx.example.com; dmarc=pass header.from=Example.com"


@pytest.mark.parametrize("line", [LOGIN, DMARC, DMARC.replace(":", " :\r\n "), DMARC.replace("mx.", "MX.")])
def test_proven(line: str) -> None:
    """A login under the address, or DMARC for the author's domain, proves it."""
    assert believed_results(view(line), True, IDS).authenticates("EWA@example.com")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Authentication-Results: mx.example.com; auth=pass smtp.auth=jan@example.com",
        "Authentication-Results: mx.example.com; auth=pass smtp.auth=ewa",
        "Authentication-Results: mx.example.com; auth=pass",
        "Authentication-Results: mx.example.com; auth=fail smtp.auth=ewa@example.com",
        "Authentication-Results: mx.example.com; dmarc=pass header.from=example.org",
        "Authentication-Results: mx.example.com; dmarc=pass",
        "Authentication-Results: mx.example.com; dmarc=none header.from=example.com",
        "Authentication-Results: mx.example.com; spf=pass smtp.mailfrom=ewa@example.com",
        "Authentication-Results: mx.example.com; dkim=pass header.d=example.com header.from=example.com",
        "Authentication-Results: mx.example.org; dmarc=pass header.from=example.com",
        "Authentication-Results: mx.example.com.evil.example; dmarc=pass header.from=example.com",
        "Authentication-Results: x (mx.example.com); dmarc=pass header.from=example.com",
        "Authentication-Results: dmarc=pass header.from=example.com",
        "ARC-Authentication-Results: i=1; mx.example.com; dmarc=pass header.from=example.com",
    ],
)
def test_not_proven(line: str) -> None:
    """Another address, another domain, another method or another speaker proves nothing."""
    lines = [line] if line else []
    assert not believed_results(view(*lines), True, IDS).authenticates("ewa@example.com")


def test_nobody_else_is_believed() -> None:
    """A client that is not trusted, or an empty list, leaves no results."""
    assert believed_results(view(DMARC), False, IDS).results == ()
    assert believed_results(view(DMARC), True, ()).results == ()


def test_dmarc_speaks_for_the_author_only() -> None:
    """DMARC for the domain does not prove an address that did not write; two From fields prove none."""
    assert not believed_results(view(DMARC, author="jan@example.com"), True, IDS).authenticates("ewa@example.com")
    assert not believed_results(view(DMARC, author=None), True, IDS).authenticates("ewa@example.com")
    twice = view(DMARC, "From: jan@example.com")
    assert not believed_results(twice, True, IDS).authenticates("ewa@example.com")


def test_the_topmost_field_of_a_method_counts() -> None:
    """A pass that came with the message does not outvote the hop's own fail above it; other methods join."""
    own = "Authentication-Results: mx.example.com; dmarc=fail header.from=example.com"
    results = believed_results(view(own, DMARC, LOGIN.replace("auth=pass", "spf=pass")), True, IDS)
    assert results.result("dmarc") == "fail"
    assert results.result("spf") == "pass"
    assert not results.authenticates("ewa@example.com")


def test_what_rules_see_of_dmarc_is_of_the_author() -> None:
    """A pass for another domain than that of the one From, or of a message with two, is no result; others are."""
    spf = "Authentication-Results: mx.example.com; spf=pass"
    assert believed_results(view(DMARC, spf), True, IDS).by_method == {"dmarc": "pass", "spf": "pass"}
    assert believed_results(view(DMARC, spf, author="a@evil.test"), True, IDS).by_method == {"spf": "pass"}
    twice = view(DMARC, spf, "From: a@evil.test")
    assert believed_results(twice, True, IDS).by_method == {"spf": "pass"}
    bare = "Authentication-Results: mx.example.com; dmarc=pass"
    assert believed_results(view(bare), True, IDS).by_method == {"dmarc": "pass"}


def test_summaries() -> None:
    """One good signature of several is a pass; none is None."""
    results = AuthResults((MethodResult("dkim", "fail"), MethodResult("dkim", "pass"), MethodResult("spf", "softfail")))
    assert (results.result("dkim"), results.result("spf"), results.result("dmarc")) == ("pass", "softfail", None)


def test_spf_is_that_of_mail_from() -> None:
    """A name in EHLO that proves something says nothing of the sender."""
    helo = MethodResult("spf", "pass", (("smtp.helo", "mail.zly.pl"),))
    sender = MethodResult("spf", "fail", (("smtp.mailfrom", "anna@klient.pl"),))
    assert AuthResults((helo, sender)).result("spf") == "fail"
    assert AuthResults((helo,)).result("spf") == "pass"
    assert AuthResults((MethodResult("spf", "softfail"),)).result("spf") == "softfail"


def test_several_authors_are_said_to_be_so() -> None:
    """Of them DMARC says nothing but that it cannot tell (RFC 9989 5.3.1)."""
    assert AuthResults((MethodResult("dmarc", "permerror"),)).by_method == {"dmarc": "permerror"}
    assert AuthResults((MethodResult("dmarc", "pass"),)).by_method == {}


@pytest.mark.parametrize(
    "forged", ["auth=pass smtp.auth=ewa@example.com", "dmarc=pass header.from=example.com"], ids=["auth", "dmarc"]
)
def test_what_stands_below_a_hops_own_field_proves_nobodys_identity(forged: str) -> None:
    """A hop that leaves in place what a stranger says in its name has written its own above that."""
    own = "Authentication-Results: mx.example.com; dkim=none; spf=fail smtp.mailfrom=evil.example"
    below = f"Authentication-Results: mx.example.com; {forged}"
    assert not believed_results(view(own, below), True, IDS).authenticates("ewa@example.com")
    assert believed_results(view(below, own), True, IDS).authenticates("ewa@example.com")
    received = "Received: from far.example by mx.example.com"
    assert not believed_results(view(own, received, below), True, IDS).authenticates("ewa@example.com")
    assert not believed_results(view(received, own, below), True, IDS).authenticates("ewa@example.com")
    by_two_milters = view(own, below, received)
    assert believed_results(by_two_milters, True, IDS).authenticates("ewa@example.com")
    two_hops = (*IDS, "relay.example.com")
    other = own.replace("mx.example.com", "relay.example.com")
    assert believed_results(view(other, below), True, two_hops).authenticates("ewa@example.com")


@pytest.mark.parametrize("closing", ["(", "", "(a", '\\" ('])
def test_a_senders_quotes_in_a_hops_comment_end_what_is_believed(closing: str) -> None:
    """Some hops write in a comment whom the client named in MAIL FROM, as he wrote it."""
    sender = f'"x); auth=pass smtp.auth=ewa@example.com; dmarc=pass header.from=example.com {closing}"@evil.example'
    said = f"Authentication-Results: mx.example.com; spf=pass (domain of {sender} says so) smtp.mailfrom=evil.example"
    found = believed_results(view(said), True, IDS)
    assert not found.authenticates("ewa@example.com")
    assert found.by_method.keys() <= {"spf"}
    harmless = (
        'Authentication-Results: mx.example.com; dkim=pass (a "good" key (really)); auth=pass smtp.auth=ewa@example.com'
    )
    assert believed_results(view(harmless), True, IDS).authenticates("ewa@example.com")

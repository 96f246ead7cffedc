from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerd.intake.protocol.parameters import MailFrom, parse_helo, parse_mail, parse_rcpt
from routerd.intake.protocol.refusals import CommandError
from routerd.message.address import Address


@pytest.mark.parametrize(
    "name",
    [
        "x",
        "client.test",
        "a-b.client.test",
        "DESK_TOP7",
        "192.0.2.1",
        "[192.0.2.1]",
        "[IPv6:2001:db8::1]",
        "xn--aba-22a.pl",
    ],
)
def test_names_that_clients_give(name: str) -> None:
    """A domain, with underscores too, or an address literal."""
    assert parse_helo(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "", " ", "a b", "-", ".", "a.", ".a", "a..b", "-a.test", "a-.test", "<x>", "a@b.test", "ż.test", "a\tb",
        "x" * 64, ".".join(["x" * 60] * 5), "[", "[]", "[192.0.2.1", "192.0.2.1]", "[192.0.2.256]", "[192.0.2.01]",
        "[2001:db8::1]",
        "[IPv6:]", "[IPv6:2001:db8::1%eth0]", "[tag:x]", "[192.0.2.1].test", "(x)", "x;y", "xn--99999999.test",
    ],
)  # fmt: skip
def test_names_that_nobody_has(name: str) -> None:
    """RFC 5321 4.1.1.1: 501."""
    with pytest.raises(CommandError) as raised:
        parse_helo(name)
    assert (raised.value.refused.code, raised.value.refused.status) == (501, "5.5.4")


def mail(text: str) -> MailFrom:
    return parse_mail(text, esmtp=True, smtputf8_offered=True, auth_offered=True)


def test_all_parameters_at_once() -> None:
    """In any order and case."""
    found = mail("FROM:<@a.test:A.b@Far.test> body=8bitmime AUTH=<> SMTPUTF8  size=00012")
    assert found == MailFrom("A.b@far.test", 12, body_8bit=True, smtputf8=True)
    assert mail("FROM:<> BODY=7BIT") == MailFrom("")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("FROM:<a@b.test> RET=FULL", 555),
        ("FROM:<a@b.test> ENVID=QQ314159", 555),
        ("FROM:<a@b.test> BODY=BINARYMIME", 555),
        ("FROM:<a@b.test> HOLDFOR=9", 555),
        ("FROM:<a@b.test> MT-PRIORITY=3", 555),
        ("FROM:<a@b.test> SMTPUTF8=yes", 501),
        ("FROM:<a@b.test> SIZE", 501),
        ("FROM:<a@b.test> SIZE=-1", 501),
        ("FROM:<a@b.test> SIZE=\u0661", 501),
        ("FROM:<a@b.test> SIZE=" + "9" * 21, 501),
        ("FROM:<a@b.test> BODY", 501),
        ("FROM:<a@b.test> =x", 501),
        ("FROM:<a@b.test> -x", 501),
        ("FROM:<a@b.test>SIZE=1", 501),
        ("FROM:<a@b.test>\tSIZE=1", 501),
        ("FROM: a@b.test", 501),
        ("FROM:<Postmaster>", 501),
        ("FROM:<ż@b.test>", 553),
    ],
)
def test_mail_that_is_refused(text: str, code: int) -> None:
    """555 for what is not offered, DSN among it; 501 for what is wrong."""
    with pytest.raises(CommandError) as raised:
        mail(text)
    assert raised.value.refused.code == code


@pytest.mark.parametrize("parameter", ["NOTIFY=NEVER", "NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;a@b.test", "RRVS=2014"])
def test_recipients_have_no_parameters(parameter: str) -> None:
    """Those of DSN would be promises that an inbox cannot keep (RFC 3461 5.2)."""
    for recipient in ("<a@b.test>", "<Postmaster>"):
        with pytest.raises(CommandError) as raised:
            parse_rcpt(f"TO:{recipient} {parameter}", smtputf8=False)
        assert (raised.value.refused.code, raised.value.refused.status) == (555, "5.5.4")


@pytest.mark.parametrize("text", ["TO:<Postmaster>", "TO:<postmaster>", "to: <POSTMASTER>"])
def test_the_postmaster_needs_no_domain(text: str) -> None:
    """In any case (RFC 5321 4.1.1.3)."""
    assert parse_rcpt(text, smtputf8=False) is None


def test_a_recipient() -> None:
    assert parse_rcpt("TO:<@a.test,@b.test:support@desk.test>", smtputf8=False) == Address("support", "desk.test")


@given(st.text(max_size=100), st.booleans())
def test_nothing_but_command_errors(text: str, flag: bool) -> None:
    """Whatever stands behind a verb, and whatever it refuses is said in ASCII."""
    with suppress(CommandError):
        parse_helo(text)
    for prefix, read in (("FROM:<", mail), ("TO:<", lambda line: parse_rcpt(line, smtputf8=flag))):
        for line in (text, prefix + text, f"{prefix}a@b.test> {text}"):
            with suppress(CommandError):
                read(line)

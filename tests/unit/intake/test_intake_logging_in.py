from base64 import b64encode
from collections.abc import Callable

import pytest
from intake_partner import TERMS, Heard, Partner

from routerd.intake.protocol.events import CheckLogin, LoggedIn, Phase
from routerd.message.envelope import Refused

Converse = Callable[..., Heard]
GRANTED = {"auth": True, "in_tls": True}


def b64(text: str | bytes) -> str:
    return b64encode(text.encode() if isinstance(text, str) else text).decode()


EWA = b64("\0ewa\0right")


@pytest.mark.parametrize(
    "lines",
    [
        [f"AUTH PLAIN {EWA}"],
        ["AUTH PLAIN", EWA],
        ["auth plain", EWA],
        [f"AUTH PLAIN {b64(chr(0).join(('ewa', 'ewa', 'right')))}"],
        ["AUTH LOGIN", b64("ewa"), b64("right")],
        [f"Auth Login {b64('ewa')}", b64("right")],
    ],
)
def test_members_log_in(converse: Converse, lines: list[str]) -> None:
    """By PLAIN and LOGIN, with the first response in the command or behind it; then they may send."""
    heard = converse("EHLO x", *lines, "MAIL FROM:<>", **GRANTED)
    assert heard.codes[2:] == ["334"] * (len(lines) - 1) + ["235 2.7.0", "250 2.1.0"]
    assert heard.logins == [("ewa", "right")]


def test_the_prompts_are_those_that_clients_look_for(converse: Converse) -> None:
    """PLAIN asks for nothing, LOGIN in its fixed words."""
    assert converse("EHLO x", "AUTH PLAIN", "*", "AUTH LOGIN", b64("ewa"), "*", **GRANTED).text.split("\r\n")[
        -6:-1
    ] == [
        "334 ",
        "501 5.7.0 Login cancelled",
        "334 VXNlcm5hbWU6",
        "334 UGFzc3dvcmQ6",
        "501 5.7.0 Login cancelled",
    ]


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["AUTH"], "501 5.5.4"),
        ([f"AUTH PLAIN {EWA} more"], "501 5.5.4"),
        (["AUTH CRAM-MD5"], "504 5.5.4"),
        (["AUTH GSSAPI AAAA"], "504 5.5.4"),
        (["AUTH PLAIN ="], "501 5.5.2"),
        (["AUTH LOGIN ="], "501 5.5.2"),
        (["AUTH PLAIN", ""], "501 5.5.2"),
        (["AUTH PLAIN", "="], "501 5.5.2"),
        (["AUTH PLAIN", "*"], "501 5.7.0"),
        (["AUTH PLAIN not-base64"], "501 5.5.2"),
        ([f"AUTH PLAIN {EWA[:-1]}"], "501 5.5.2"),
        (["AUTH PLAIN", f"{EWA} "], "501 5.5.2"),
        (["AUTH PLAIN", f"{EWA[:4]} {EWA[4:]}"], "501 5.5.2"),
        (["AUTH PLAIN", f"{EWA}{EWA}"], "501 5.5.2"),
        ([f"AUTH PLAIN {b64('ewa')}"], "501 5.5.2"),
        ([f"AUTH PLAIN {b64(chr(0) + 'ewa')}"], "501 5.5.2"),
        ([f"AUTH PLAIN {b64(chr(0).join(('', 'ewa', 'right', '')))}"], "501 5.5.2"),
        ([f"AUTH PLAIN {b64(chr(0).join(('', '', 'right')))}"], "501 5.5.2"),
        ([f"AUTH PLAIN {b64(chr(0).join(('', 'ewa', '')))}"], "501 5.5.2"),
        ([f"AUTH PLAIN {b64(bytes([0, 0xFF, 0, 0x61]))}"], "501 5.5.2"),
        ([f"AUTH PLAIN {b64(chr(0) + 'ewa' + chr(0)) + b64('right')}"], "501 5.5.2"),
        ([f"AUTH PLAIN {b64(chr(0).join(('jan', 'ewa', 'right')))}"], "535 5.7.8"),
        ([f"AUTH PLAIN {b64(chr(0).join(('', 'ewa', 'wrong')))}"], "535 5.7.8"),
        (["AUTH LOGIN", b64("ewa"), b64("wrong")], "535 5.7.8"),
        (["AUTH LOGIN", b64("e\0wa")], "501 5.5.2"),
        (["AUTH LOGIN", b64(b"\xed\xa0\x80")], "501 5.5.2"),
        (["AUTH LOGIN", b64("ewa"), ""], "501 5.5.2"),
        (["AUTH LOGIN", b64("ewa"), "*"], "501 5.7.0"),
        (["AUTH PLAIN", "A" * 13_000], "500 5.5.6"),
        (["AUTH PLAIN " + "A" * 13_000], "500 5.5.2"),
    ],
)
def test_logins_that_come_to_nothing(converse: Converse, lines: list[str], code: str) -> None:
    """The exchange is over with it: the next line is a command again, and nobody is logged in."""
    heard = converse("EHLO x", *lines, "NOOP", "MAIL FROM:<>", **GRANTED)
    assert [reply for reply in heard.codes[2:] if reply != "334"] == [code, "250 2.0.0", "530 5.7.0"]


def test_a_long_response_is_read(converse: Converse) -> None:
    """As long as RFC 4954 asks for, in the command or behind it."""
    long = b64("\0ewa\0" + "x" * 9_000)
    assert len(long) < 12_286
    for lines in (["AUTH PLAIN", long], [f"AUTH PLAIN {long}"]):
        assert converse("EHLO x", *lines, **GRANTED).codes[-1] == "535 5.7.8"


@pytest.mark.parametrize("ending", [b"\n", b"\r\r\n", b"\0\r\n"])
def test_a_response_on_a_broken_line_ends_the_exchange(converse: Converse, ending: bytes) -> None:
    """What comes behind it is a command, and no response to a question that nobody asks any more."""
    heard = converse("EHLO x", "AUTH PLAIN", EWA.encode() + ending, "NOOP", **GRANTED)
    assert heard.codes[2:] == ["334", "500 5.5.2", "250 2.0.0"]
    assert not heard.logins


def test_passwords_are_asked_for_inside_tls_only(converse: Converse) -> None:
    """Outside it AUTH is neither offered nor taken, nor is mail (RFC 4954 4, 6)."""
    heard = converse("EHLO x", f"AUTH PLAIN {EWA}", "MAIL FROM:<>", auth=True, starttls=True)
    assert heard.codes[2:] == ["538 5.7.1", "530 5.7.0"]
    assert "538 5.7.11 " in heard.text
    assert "250-AUTH" not in heard.text
    assert "250-AUTH PLAIN LOGIN\r\n" in converse("EHLO x", **GRANTED).text
    required = converse("EHLO x", f"AUTH PLAIN {EWA}", auth=True, starttls=True, tls_required=True)
    assert required.codes[-1] == "530 5.7.0"


def test_auth_is_not_offered_where_nobody_needs_it(converse: Converse) -> None:
    """RFC 5321 4.2.4: a command that is known, and not implemented here."""
    heard = converse("EHLO x", f"AUTH PLAIN {EWA}", in_tls=True)
    assert heard.codes[-1] == "502 5.5.1"
    assert "AUTH" not in heard.text


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["AUTH PLAIN"], "503 5.5.1"),
        (["HELO x", "AUTH PLAIN"], "503 5.5.1"),
        (["EHLO x", f"AUTH PLAIN {EWA}", "AUTH PLAIN"], "503 5.5.1"),
        (["EHLO x", f"AUTH PLAIN {EWA}", "EHLO y", "AUTH PLAIN"], "503 5.5.1"),
        (["EHLO x", f"AUTH PLAIN {EWA}", "MAIL FROM:<>", "AUTH PLAIN"], "503 5.5.1"),
    ],
)
def test_auth_out_of_sequence(converse: Converse, lines: list[str], code: str) -> None:
    """Behind EHLO, once, and not in a transaction (RFC 4954 4)."""
    assert converse(*lines, **GRANTED).codes[-1] == code


def test_who_is_logged_in_stays_so(converse: Converse) -> None:
    """Over RSET, EHLO and one message."""
    mail = ["MAIL FROM:<>", "RCPT TO:<a@desk.test>", "DATA", b"x\r\n.\r\n"]
    heard = converse("EHLO x", f"AUTH PLAIN {EWA}", "RSET", *mail, "EHLO y", *mail, **GRANTED)
    assert len(heard.messages) == 2


def test_a_few_wrong_logins_end_the_session(converse: Converse) -> None:
    """Who guesses has to connect again, and is counted."""
    wrong = f"AUTH PLAIN {b64(chr(0).join(('', 'ewa', 'guess')))}"
    heard = converse("EHLO x", *[wrong] * 5, **GRANTED)
    assert heard.codes[2:] == ["535 5.7.8"] * 3 + ["421 4.7.0"]
    assert heard.reasons == ["login"] * 3 + ["too_many_logins"]
    assert heard.closed


def test_trouble_with_passwords_is_temporary() -> None:
    """The host may say 454; the client may try again, but not for ever."""
    partner = Partner(TERMS)
    assert partner.dialogue.logged_in(LoggedIn("ewa")) == []
    partner = Partner(type(TERMS)(hostname="mx", listener="x", auth=True), in_tls=True)
    for _ in range(3):
        events = partner.dialogue.feed(f"EHLO x\r\nAUTH PLAIN {EWA}\r\nNOOP\r\n".encode())
        assert isinstance(events[-1], CheckLogin)
        assert partner.dialogue.phase is Phase.CREDENTIALS
        partner.take(partner.dialogue.logged_in(Refused(454, "4.7.0", "Busy")))
    assert partner.heard.codes[-2:] == ["454 4.7.0", "421 4.7.0"]
    assert partner.dialogue.member is None


def test_the_member_is_the_one_that_the_host_names() -> None:
    """Whatever the login was: it may be an address of his."""
    partner = Partner(type(TERMS)(hostname="mx", listener="x", auth=True), in_tls=True)
    partner.dialogue.feed(f"EHLO x\r\nAUTH PLAIN {EWA}\r\n".encode())
    partner.dialogue.logged_in(LoggedIn("jan"))
    assert partner.dialogue.member == "jan"


@pytest.mark.parametrize(
    "lines",
    [
        [f"AUTH PLAIN {b64(chr(0).join(('', 'ewa', 'secret')))}"],
        ["AUTH LOGIN", b64("ewa"), b64("secret")],
        ["AUTH PLAIN secret"],
        ["AUTH secret"],
        ["AUTH LOGIN ewa secret"],
        ["AUTH PLAIN", b64("\0ewa\0secret"), "secret"],
        ["AUTH CRAM-MD5", "secret"],
        ["AUTH PLAIN", "secret\0"],
    ],
)
def test_no_refusal_repeats_a_password(converse: Converse, lines: list[str]) -> None:
    """Neither to the client nor to the log, in the clear or as it came; not even one on a line that is no response."""
    for granted in (GRANTED, {"auth": True}):
        heard = converse("EHLO x", *lines, **granted)
        told = " ".join([heard.text, *heard.abouts]).lower()
        assert not any(word.lower() in told for word in ("secret", b64("secret"), b64("\0ewa\0secret")))


def test_a_password_is_not_shown_with_its_event() -> None:
    """Nor with what is known half-way."""
    asked = CheckLogin("ewa", "secret")
    assert "secret" not in repr(asked)
    assert "secret" not in str(asked)


@pytest.mark.parametrize(
    ("parameter", "code"),
    [
        ("AUTH=<>", "250 2.1.0"),
        ("AUTH=e+3Dmc2@example.com", "250 2.1.0"),
        ("auth=ewa@desk.test SIZE=1", "250 2.1.0"),
        ("AUTH", "501 5.5.4"),
        ("AUTH=", "501 5.5.4"),
        ("AUTH=a+3d", "501 5.5.4"),
        ("AUTH=a+", "501 5.5.4"),
        ("AUTH=a=b", "501 5.5.4"),
    ],
)
def test_the_parameter_of_mail(converse: Converse, parameter: str, code: str) -> None:
    """Taken in xtext where AUTH is offered (RFC 4954 5), and nowhere else."""
    line = f"MAIL FROM:<a@b.test> {parameter}"
    assert converse("EHLO x", f"AUTH PLAIN {EWA}", line, **GRANTED).codes[-1] == code
    if code == "250 2.1.0":
        assert converse("EHLO x", line).codes[-1] == "555 5.5.4"

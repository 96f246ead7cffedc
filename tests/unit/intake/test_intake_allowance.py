from collections.abc import Callable

import pytest
from intake_partner import TERMS, Heard, Partner

from routerd.intake.protocol.terms import Terms
from routerd.message.envelope import Refused

Converse = Callable[..., Heard]
MAIL = ["MAIL FROM:<>", "RCPT TO:<a@desk.test>", "DATA", b"x\r\n.\r\n"]


def test_too_many_commands_end_the_session(converse: Converse) -> None:
    """Whatever they are: lines that are none, and responses of a login, are counted with them."""
    heard = converse("EHLO x", "NOOP", "XYZZY", "NOOP", "NOOP", commands=4)
    assert heard.codes[1:] == ["250", "250 2.0.0", "500 5.5.2", "250 2.0.0", "421 4.7.0"]
    assert heard.reasons[-1] == "too_many_commands"
    assert heard.closed
    login = converse("EHLO x", "AUTH LOGIN", "ZXdh", "cmlnaHQ=", "NOOP", commands=4, auth=True, in_tls=True)
    assert login.codes[-2:] == ["235 2.7.0", "421 4.7.0"]
    overlong = converse("EHLO x", "AUTH LOGIN", "x" * 13_000, "NOOP", commands=2, auth=True, in_tls=True)
    assert overlong.codes[-2:] == ["334", "421 4.7.0"]


def test_lines_of_content_are_no_commands(converse: Converse) -> None:
    """A message of any length is one DATA."""
    heard = converse("EHLO x", *MAIL[:3], b"x\r\n" * 50 + b".\r\n", "NOOP", commands=5)
    assert heard.codes[-2:] == ["250 2.0.0", "250 2.0.0"]


def test_too_many_messages_end_the_session(converse: Converse) -> None:
    """At the MAIL behind the last that is granted; those that were refused count too."""
    heard = converse("EHLO x", *MAIL, *MAIL[:3], b"\0\r\n.\r\n", *MAIL, messages=2)
    assert heard.codes[-2:] == ["550 5.6.0", "421 4.7.0"]
    assert heard.reasons[-1] == "too_many_messages"
    assert len(heard.messages) == 1
    assert heard.closed
    assert len(converse("EHLO x", *MAIL * 5).messages) == 5


def test_messages_that_are_refused_are_errors_of_strangers(converse: Converse) -> None:
    """A hop of ours may hand over many broken ones: they are not its own."""
    lines = ["EHLO x", *[*MAIL[:3], b"\0\r\n.\r\n"] * 3, "NOOP"]
    assert converse(*lines, errors=3).reasons[-1] == "too_many_errors"
    assert converse(*lines, errors=3, trusted=True).codes[-1] == "250 2.0.0"
    assert converse("EHLO x", *["DATA"] * 3, errors=3, trusted=True).reasons[-1] == "too_many_errors"


def test_refusals_for_now_do_not_go_on_for_ever(converse: Converse) -> None:
    """A client that asks again and again while there is no room is sent away."""
    heard = converse("EHLO x", *["MAIL FROM:<>"] * 20, room=False, idle_commands=10)
    assert heard.codes.count("452 4.3.1") == 10
    assert heard.reasons[-1] == "idle_commands"
    assert heard.closed


def test_recipients_deferred_at_once_do_not_end_the_session(converse: Converse) -> None:
    """RFC 5321 4.5.3.1.10: whoever names more than are taken sends the rest later."""
    heard = converse(
        "EHLO x", "MAIL FROM:<>", *[f"RCPT TO:<r{n}@desk.test>" for n in range(300)], *MAIL[2:], recipients=10
    )
    assert heard.codes.count("452 4.5.3") == 290
    assert len(heard.messages[0][0].recipients) == 10


def test_a_message_makes_up_for_idling(converse: Converse) -> None:
    """Not for errors, nor for commands in all."""
    heard = converse("EHLO x", *["RSET", "NOOP", *MAIL] * 20, "NOOP", idle_commands=4)
    assert heard.codes[-1] == "250 2.0.0"
    assert converse("EHLO x", *["XYZZY", *MAIL] * 3, errors=3).reasons[-1] == "too_many_errors"


@pytest.mark.parametrize("reason", ["dnsbl", "reverse_name"])
def test_a_refused_client_may_write_to_the_postmaster(reason: str) -> None:
    """With his name alone or with a domain of ours (RFC 5321 4.5.1); all others are refused to it, known or not."""
    partner = Partner(TERMS)
    partner.dialogue.refuse_client(Refused(550, "5.7.1", "Your address is on a list"), reason)
    names = ("<a@desk.test>", "<nobody@desk.test>", "<x@far.test>", "<Postmaster>", "<postmaster@desk.test>")
    partner.send("\r\n".join(("EHLO x", "MAIL FROM:<>", *(f"RCPT TO:{name}" for name in names), "DATA", "")).encode())
    assert partner.heard.codes[3:] == ["550 5.7.1"] * 3 + ["250 2.1.5", "250 2.1.5", "354"]
    assert partner.heard.reasons == [reason] * 3


def test_who_speaks_before_the_greeting_is_refused() -> None:
    """Where the listener says so, at the first octet; nothing of it is obeyed."""
    partner = Partner(Terms(hostname="mx", listener="x", refuse_early=True), greets=False)
    partner.send(b"E")
    assert partner.heard.text.startswith("554 5.5.1 ")
    assert partner.heard.reasons == ["early_talker"]
    assert partner.heard.closed
    assert partner.dialogue.greet() == []


@pytest.mark.parametrize("chunk", [None, 1])
def test_elsewhere_what_comes_early_waits(chunk: int | None) -> None:
    """It is answered behind the greeting."""
    partner = Partner(TERMS, greets=False)
    partner.send(b"EHLO x\r\nNOOP\r\nMAIL", chunk)
    assert partner.heard.text == ""
    partner.take(partner.dialogue.greet())
    partner.take(partner.dialogue.greet())
    partner.send(b" FROM:<>\r\n", chunk)
    assert partner.heard.codes == ["220", "250", "250 2.0.0", "250 2.1.0"]


def test_patience_before_the_greeting_is_rewarded() -> None:
    """Who waits for it is welcome where others are refused."""
    partner = Partner(Terms(hostname="mx", listener="x", refuse_early=True), greets=False)
    partner.take(partner.dialogue.feed(b""))
    partner.take(partner.dialogue.greet())
    partner.send(b"EHLO x\r\n")
    assert partner.heard.codes == ["220", "250"]


def test_leaving_before_the_greeting() -> None:
    """A 421 stands in its place (RFC 5321 3.1 has 554 there; this is temporary)."""
    partner = Partner(TERMS, greets=False)
    partner.take(partner.dialogue.leave(Refused(421, "4.3.2", "Shutting down")))
    assert partner.heard.codes == ["421 4.3.2"]
    assert partner.heard.closed

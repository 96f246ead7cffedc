from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from intake_partner import TERMS, Heard, Partner

from routerd.intake.protocol.events import CommandRefused, Phase
from routerd.intake.protocol.refusals import NO_SPACE
from routerd.intake.protocol.terms import Terms
from routerd.message.envelope import Accepted, Envelope, QueueId, Refused, Verdict

Converse = Callable[..., Heard]
START = ("EHLO client.test", "MAIL FROM:<a@far.test>", "RCPT TO:<support@desk.test>")
TEXT = b"Subject: x\r\n\r\n..body\r\n.\r\n"


def test_a_message_comes_in(converse: Converse) -> None:
    """The plain case: every reply with its enhanced status, the content unstuffed, the envelope whole."""
    heard = converse(*START, "DATA", TEXT, "QUIT")
    assert heard.codes == ["220", "250", "250 2.1.0", "250 2.1.5", "354", "250 2.0.0", "221 2.0.0"]
    assert "queued as Q\r\n" in heard.text
    (envelope, content), *others = heard.messages
    assert not others
    assert content == b"Subject: x\r\n\r\n.body\r\n"
    assert envelope.sender == "a@far.test"
    assert [str(recipient.address) for recipient in envelope.recipients] == ["support@desk.test"]
    assert heard.closed


def test_ehlo_offers_what_there_is(converse: Converse) -> None:
    """SMTPUTF8 and STARTTLS only where they are to be had; never AUTH, CHUNKING, DSN."""
    plain = converse("EHLO x").text
    assert "PIPELINING" in plain
    assert "SIZE 10000" in plain
    assert "8BITMIME" in plain
    assert "250 ENHANCEDSTATUSCODES\r\n" in plain
    assert not any(word in plain for word in ("STARTTLS", "SMTPUTF8", "AUTH", "CHUNKING", "DSN"))
    full = converse("EHLO x", starttls=True, smtputf8=True).text
    assert "STARTTLS" in full
    assert "SMTPUTF8" in full


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("MAIL FROM:<>", "250 2.1.0"),
        ("mail from:<a@b.test>", "250 2.1.0"),
        ("MAIL FROM: <a@b.test>", "250 2.1.0"),
        ("MAIL FROM:<@relay.test,@other.test:a@b.test>", "250 2.1.0"),
        ("MAIL FROM:<a@b.test> SIZE=10000 BODY=8BITMIME", "250 2.1.0"),
        ("MAIL FROM:<a@b.test> SIZE=10001", "552 5.3.4"),
        ("MAIL FROM:<a@b.test> SIZE=ten", "501 5.5.4"),
        ("MAIL FROM:<a@b.test> SIZE=1 SIZE=2", "501 5.5.4"),
        ("MAIL FROM:<a@b.test> BODY=BINARYMIME", "555 5.5.4"),
        ("MAIL FROM:<a@b.test> BODY=9BIT", "501 5.5.4"),
        ("MAIL FROM:<a@b.test> AUTH=<>", "555 5.5.4"),
        ("MAIL FROM:<a@b.test> RET=HDRS", "555 5.5.4"),
        ("MAIL FROM:<a@b.test> X-ANY=1", "555 5.5.4"),
        ("MAIL FROM:<a@b.test> SMTPUTF8", "555 5.5.4"),
        ("MAIL FROM:a@b.test", "501 5.1.7"),
        ("MAIL FROM:<a@b.test", "501 5.1.7"),
        ("MAIL FROM:<a@b@c>", "501 5.1.7"),
        ("MAIL TO:<a@b.test>", "501 5.5.4"),
        ("MAIL", "501 5.5.4"),
        ("RCPT TO:<support@desk.test>", "503 5.5.1"),
        ("DATA", "503 5.5.1"),
        ("RSET now", "501 5.5.4"),
        ("NOOP anything", "250 2.0.0"),
        ("HELP", "214 2.0.0"),
        ("VRFY support", "252 2.0.0"),
        ("VRFY", "501 5.5.4"),
        ("EXPN list", "502 5.5.1"),
        ("ETRN desk.test", "502 5.5.1"),
        ("AUTH PLAIN AGEAYg==", "502 5.5.1"),
        ("BDAT 10 LAST", "502 5.5.1"),
        ("STARTTLS", "502 5.5.1"),
        ("LHLO x", "500 5.5.1"),
        ("EHLO", "501 5.5.4"),
        ("EHLO a b", "501 5.5.4"),
        ("EHLO <script>", "501 5.5.4"),
        ("XYZZY", "500 5.5.2"),
        ("", "500 5.5.2"),
        ("NOOP \x01", "250 2.0.0"),
        (b"NOOP \r \r\n", "500 5.5.2"),
        (b"NOOP \0\r\n", "500 5.5.2"),
        (b"N\xc3\x96\xc3\x96P\r\n", "500 5.5.2"),
        (b"NOOP\n", "500 5.5.2"),
        ("NOOP " + "x" * 600, "500 5.5.2"),
        ("NOOP " + "x" * 60_000, "500 5.5.2"),
        ("GET / HTTP/1.1", "421 4.7.0"),
    ],
)
def test_one_command(converse: Converse, line: str | bytes, code: str) -> None:
    """Each command alone, behind EHLO, has this answer."""
    assert converse("EHLO client.test", line).codes[2:] == [code]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("RCPT TO:<support@desk.test>", "250 2.1.5"),
        ("RCPT TO:<Support+detail@DESK.test>", "250 2.1.5"),
        ("RCPT TO:<@relay.test:support@desk.test>", "250 2.1.5"),
        ('RCPT TO:<"support"@desk.test>', "250 2.1.5"),
        ("RCPT TO:<Postmaster>", "250 2.1.5"),
        ("RCPT TO:<>", "501 5.1.3"),
        ("RCPT TO:<nobody@desk.test>", "550 5.1.1"),
        ("RCPT TO:<x@far.test>", "550 5.7.1"),
        ("RCPT TO:<support@desk.test> NOTIFY=NEVER", "555 5.5.4"),
        ("RCPT TO:<support>", "501 5.1.3"),
        ("RCPT TO:<support@>", "501 5.1.3"),
        ("RCPT TO:<@desk.test>", "501 5.1.3"),
        ("RCPT TO:<sup port@desk.test>", "501 5.1.3"),
        ("RCPT TO:<a\x00b@desk.test>", "500 5.5.2"),
        ("RCPT TO:<a<b@desk.test>", "501 5.1.3"),
        ("RCPT TO:<=?utf-8?q?a=0d=0aRCPT_TO:=3cz=40z.z=3e=0d=0a?=@desk.test>", "501 5.1.3"),
        ("RCPT TO:<=?utf-8?q?support?=@desk.test>", "501 5.1.3"),
        ("RCPT TO:<" + "(" * 400 + "a@desk.test>", "501 5.1.3"),
        ("RCPT TO:<" + "a" * 65 + "@desk.test>", "501 5.1.3"),
        ("RCPT FROM:<support@desk.test>", "501 5.5.4"),
        ("MAIL FROM:<second@far.test>", "503 5.5.1"),
    ],
)
def test_one_recipient(converse: Converse, line: str, code: str) -> None:
    """Each argument of RCPT has this answer, whole or octet by octet."""
    assert converse("EHLO x", "MAIL FROM:<>", line).codes[3:] == [code]


def test_helo_is_smtp_without_extensions(converse: Converse) -> None:
    """After HELO parameters are refused and replies are single lines."""
    heard = converse("HELO x", "MAIL FROM:<a@b.test> SIZE=1", "MAIL FROM:<a@b.test>")
    assert heard.codes == ["220", "250", "555 5.5.4", "250 2.1.0"]


def test_mail_before_hello_is_refused(converse: Converse) -> None:
    """Nothing but a greeting comes first (RFC 5321 4.1.4)."""
    assert converse("MAIL FROM:<a@b.test>").codes[1:] == ["503 5.5.1"]


def test_ehlo_and_rset_end_the_transaction(converse: Converse) -> None:
    """What was said of one message is forgotten."""
    for word in ("EHLO again.test", "RSET"):
        assert converse(*START, word, "DATA").codes[-1] == "503 5.5.1"


def test_data_without_valid_recipients(converse: Converse) -> None:
    """A pipelined DATA behind refused recipients is refused, and the next message stands by itself."""
    heard = converse("EHLO x", "MAIL FROM:<>", "RCPT TO:<nobody@desk.test>", "DATA", "RSET", *START[1:], "DATA", TEXT)
    assert heard.codes[3:5] == ["550 5.1.1", "554 5.5.1"]
    assert len(heard.messages) == 1


def test_replies_to_a_pipelined_group_are_one_write() -> None:
    """Everything said to one group goes out at once (RFC 2920 3.2)."""
    partner = Partner(TERMS)
    events = partner.dialogue.feed("\r\n".join((*START, "DATA", "")).encode())
    assert len(events) == 1


def test_pipelined_messages_stay_apart(converse: Converse) -> None:
    """What comes behind the end of one message waits for its verdict and is then the next."""
    heard = converse(*START, "DATA", TEXT, *START[1:], "DATA", b"second\r\n.\r\n", "QUIT")
    assert [content for _, content in heard.messages] == [b"Subject: x\r\n\r\n.body\r\n", b"second\r\n"]
    assert heard.closed


def test_a_repeated_recipient_counts_once(converse: Converse) -> None:
    """The envelope holds each address once, however often and however spelled it was given."""
    heard = converse(*START, "RCPT TO:<SUPPORT@desk.test>", "DATA", TEXT)
    assert len(heard.messages[0][0].recipients) == 1
    assert heard.codes[-1] == "250 2.0.0"


def test_lmtp_answers_each_recipient(converse: Converse, lmtp: dict[str, object]) -> None:
    """One reply per granted RCPT, in order, the same for the same address (RFC 2033 4.2)."""

    def answer(envelope: Envelope) -> Sequence[Verdict]:
        assert [recipient.address.local for recipient in envelope.recipients] == ["a", "b"]
        return Accepted(QueueId("Q")), Refused(550, "5.7.1", "Not wanted")

    lines = [f"RCPT TO:<{name}@desk.test>" for name in ("a", "nobody", "b", "A")]
    heard = converse("LHLO x", "MAIL FROM:<>", *lines, "DATA", TEXT, "NOOP hi", answer=answer, **lmtp)
    assert heard.codes[-4:] == ["250 2.0.0", "550 5.7.1", "250 2.0.0", "250 2.0.0"]
    assert heard.codes.count("354") == 1


def test_lmtp_refuses_content_once_per_recipient(converse: Converse, lmtp: dict[str, object]) -> None:
    """A message that is refused by itself is refused to each, so that the client's count is right."""
    lines = [f"RCPT TO:<{name}@desk.test>" for name in ("a", "b")]
    heard = converse("LHLO x", "MAIL FROM:<>", *lines, "DATA", b"nul\0\r\n.\r\n", **lmtp)
    assert heard.codes[-2:] == ["550 5.6.0", "550 5.6.0"]


def test_lmtp_knows_no_helo(converse: Converse, lmtp: dict[str, object]) -> None:
    """HELO and EHLO are not LMTP (RFC 2033 4.1)."""
    assert converse("HELO x", "EHLO x", "LHLO x", **lmtp).codes[1:] == ["500 5.5.1", "500 5.5.1", "250"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"x\ny\r\n.\r\n", "550 5.5.2"),
        (b"x\ry\r\n.\r\n", "550 5.5.2"),
        (b"x\n.\n\r\n.\r\n", "550 5.5.2"),
        (b"x\0y\r\n.\r\n", "550 5.6.0"),
        (b"x" * 10_001 + b"\r\n.\r\n", "552 5.3.4"),
    ],
)
def test_content_that_is_refused(converse: Converse, content: bytes, code: str) -> None:
    """It is read to its end, answered, forgotten; the session goes on."""
    heard = converse(*START, "DATA", content, "MAIL FROM:<>")
    assert heard.codes[-2:] == [code, "250 2.1.0"]
    assert not heard.messages


def test_bare_newlines_from_trusted_hops_become_crlf(converse: Converse) -> None:
    """And a listener's setting goes before that."""
    lines = (*START, "DATA", b"x\ny\r\n.\r\n")
    assert converse(*lines, trusted=True).messages[0][1] == b"x\r\ny\r\n"
    assert not converse(*lines, trusted=True, bare_newlines="refuse").messages
    assert converse(*lines, bare_newlines="normalise").messages[0][1] == b"x\r\ny\r\n"


def test_content_without_end_closes_the_session(converse: Converse) -> None:
    """Somebody who sends several times the limit is not listened to for ever."""
    heard = converse(*START, "DATA", b"x" * 50_000)
    assert heard.codes[-1] == "552 5.3.4"
    assert heard.closed


def test_no_room(converse: Converse) -> None:
    """Where memory is short the client keeps the message (452), and may try again."""
    heard = converse(*START, room=False)
    assert heard.codes[2:] == ["452 4.3.1", "503 5.5.1"]


def test_the_host_can_refuse_content_that_is_coming() -> None:
    """A full disk in the middle of DATA: read to the end, then 452."""
    partner = Partner(TERMS)
    partner.send("\r\n".join((*START, "DATA", "first line", "")).encode())
    partner.take(partner.dialogue.refuse_content(NO_SPACE))
    partner.send(b"more\r\n.\r\n")
    assert partner.heard.codes[-1] == "452 4.3.1"
    assert partner.heard.reasons[-1] == "no_space"
    assert not partner.heard.messages
    assert partner.dialogue.phase is Phase.COMMANDS


def test_too_many_errors_end_the_session(converse: Converse) -> None:
    """A client that guesses gets 421; a hop of ours with many unknown recipients does not."""
    lines = ("EHLO x", "MAIL FROM:<>", *["RCPT TO:<nobody@desk.test>"] * 5, "NOOP")
    heard = converse(*lines, errors=5)
    assert heard.codes[-2:] == ["550 5.1.1", "421 4.7.0"]
    assert heard.closed
    assert not converse(*lines, errors=5, trusted=True).closed
    assert converse(*["XYZZY"] * 5, errors=5, trusted=True).closed


def test_too_many_idle_commands_end_the_session(converse: Converse) -> None:
    """NOOP keeps no session alive for ever."""
    heard = converse("EHLO x", *["NOOP"] * 10, idle_commands=10)
    assert heard.codes[-1] == "421 4.7.0"
    assert heard.closed


def test_a_refused_recipient_is_told_with_the_sender() -> None:
    """The log is searched for him, where he says that his mail does not arrive."""
    partner = Partner(TERMS)
    events = partner.dialogue.feed(b"EHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<no@where.test>\r\nRSET\r\n")
    [refused] = [event for event in events if isinstance(event, CommandRefused)]
    assert refused.sender == "a@b.test"


def test_too_many_recipients(converse: Converse) -> None:
    """The excess is deferred, one by one; the message goes to those that were granted."""
    names = [f"RCPT TO:<r{number}@desk.test>" for number in range(5)]
    heard = converse("EHLO x", "MAIL FROM:<>", *names, "DATA", TEXT, recipients=3)
    assert heard.codes[3:8] == ["250 2.1.5"] * 3 + ["452 4.5.3"] * 2
    assert len(heard.messages[0][0].recipients) == 3


@pytest.mark.parametrize(
    ("sender", "recipients", "codes"),
    [
        ("", ["wrapped"], ["250 2.1.5"]),
        ("", ["wrapped", "WRAPPED"], ["250 2.1.5", "250 2.1.5"]),
        ("a@far.test", ["wrapped"], ["550 5.7.1"]),
        ("a@far.test", ["support", "wrapped"], ["250 2.1.5", "550 5.7.1"]),
        ("", ["wrapped", "support"], ["250 2.1.5", "452 4.5.3"]),
        ("", ["wrapped", "postmaster"], ["250 2.1.5", "452 4.5.3"]),
        ("", ["support", "wrapped", "billing"], ["250 2.1.5", "452 4.5.3", "250 2.1.5"]),
        ("", ["wrapped", "other-wrapped"], ["250 2.1.5", "452 4.5.3"]),
    ],
)
def test_only_a_bounce_is_taken_back_to_a_stranger(
    converse: Converse, sender: str, recipients: list[str], codes: list[str]
) -> None:
    """From nobody, and in a transaction of its own; what else the client has may come in another."""
    heard = converse("EHLO x", f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{name}@desk.test>" for name in recipients))
    assert heard.codes[3:] == codes
    reasons = {"550 5.7.1": "no_bounce", "452 4.5.3": "too_many_recipients"}
    assert heard.reasons == [reasons[code] for code in codes if code in reasons]


def test_starttls_forgets_all_that_was_said_in_the_clear(converse: Converse) -> None:
    """Injected plaintext is thrown away, the transaction and the greeting too (RFC 3207 4.2, 6)."""
    heard = converse(*START, "STARTTLS", "NOOP injected", "DATA", TEXT, starttls=True)
    assert heard.codes[-1] == "220 2.0.0"
    assert heard.handshakes == 1
    partner = Partner(Terms(hostname="mx", listener="x", starttls=True))
    partner.send("\r\n".join((*START, "STARTTLS", "NOOP injected", "")).encode())
    partner.take(partner.dialogue.secured())
    partner.send(b"MAIL FROM:<>\r\nEHLO x\r\nSTARTTLS\r\nDATA\r\n")
    assert partner.heard.codes[-4:] == ["503 5.5.1", "250", "503 5.5.1", "503 5.5.1"]
    assert partner.heard.text.count("STARTTLS") == 1
    assert "injected" not in partner.heard.text


def test_tls_begins_once(converse: Converse) -> None:
    """Inside TLS STARTTLS is out of order, by whatever way that began; elsewhere it is not offered."""
    for offers in (True, False):
        assert converse("EHLO x", "STARTTLS", in_tls=True, starttls=offers).codes[-1] == "503 5.5.1"
    assert converse("EHLO x", "STARTTLS").codes[-1] == "502 5.5.1"


def test_required_tls(converse: Converse) -> None:
    """Before STARTTLS nothing goes but what leads to it (RFC 3207 4)."""
    heard = converse("EHLO x", "MAIL FROM:<>", "HELO x", "NOOP", "QUIT", starttls=True, tls_required=True)
    assert heard.codes[1:] == ["250", "530 5.7.0", "530 5.7.0", "250 2.0.0", "221 2.0.0"]


def test_smtputf8_needs_its_parameter(converse: Converse) -> None:
    """UTF-8 is taken only where the listener offers it and MAIL asks for it; broken UTF-8 never."""
    ehlo, mail = "EHLO x", "MAIL FROM:<żaba@far.test>"
    assert converse(ehlo, mail).codes[-1] == "500 5.5.2"
    assert converse(ehlo, mail, smtputf8=True).codes[-1] == "553 5.6.7"
    assert converse(ehlo, f"{mail} SMTPUTF8", smtputf8=True).codes[-1] == "250 2.1.0"
    assert converse(ehlo, b"MAIL FROM:<\xff@far.test> SMTPUTF8\r\n", smtputf8=True).codes[-1] == "500 5.5.2"
    assert converse(ehlo, "\u017ftarttls", smtputf8=True, starttls=True).codes[-1] == "500 5.5.2"
    rcpt = (ehlo, "MAIL FROM:<>", "RCPT TO:<żaba@desk.test>")
    assert converse(*rcpt, smtputf8=True).codes[-1] == "553 5.6.7"


def test_a_wrong_number_of_verdicts_is_temporary(converse: Converse) -> None:
    """What cannot be understood is never a permanent no, and never a yes."""
    assert converse(*START, "DATA", TEXT, answer=lambda _: ()).codes[-1] == "451 4.3.0"


def test_a_verdict_of_421_ends_the_session(converse: Converse) -> None:
    """RFC 5321 3.8."""
    heard = converse(*START, "DATA", TEXT, "NOOP", answer=lambda _: (Refused(421, "4.3.2", "Going"),))
    assert heard.codes[-1] == "421 4.3.2"
    assert heard.closed


def test_leaving() -> None:
    """The idle are told at once; a message in hand is answered first."""
    going = Refused(421, "4.3.2", "Shutting down")
    idle = Partner(TERMS)
    idle.take(idle.dialogue.leave(going, finish_content=True))
    assert idle.heard.codes == ["220", "421 4.3.2"]
    busy = Partner(TERMS)
    busy.send("\r\n".join((*START, "DATA", "text", "")).encode())
    busy.take(busy.dialogue.leave(going, finish_content=True))
    busy.send(b".\r\n")
    assert busy.heard.codes[-2:] == ["250 2.0.0", "421 4.3.2"]
    assert busy.heard.closed


WORDS = st.sampled_from(
    [
        "EHLO x",
        "MAIL FROM:<a@b.test>",
        "RCPT TO:<a@desk.test>",
        "DATA",
        ".",
        "\n",
        "\r\n",
        "QUIT",
        "RSET",
        "<",
        ">",
        "STARTTLS",
    ]
)
NOISE = st.lists(st.one_of(WORDS.map(str.encode), st.just(b"\r\n"), st.just(b"\r\n.\r\n"), st.binary(max_size=20)))


@given(NOISE.map(b"".join), st.lists(st.integers(1, 30), min_size=1), st.booleans())
def test_noise_says_the_same_in_any_chunks(data: bytes, sizes: list[int], smtputf8: bool) -> None:
    """No input raises, and no splitting of it changes what is said, done or counted."""
    terms = Terms(hostname="mx", listener="x", message_size=60, errors=8, starttls=True, smtputf8=smtputf8)
    whole, pieces = Partner(terms), Partner(terms)
    whole.send(data)
    at = 0
    for size in sizes * len(data):
        if at >= len(data):
            break
        pieces.take(pieces.dialogue.feed(data[at : at + size]))
        at += size
    assert whole.heard == pieces.heard

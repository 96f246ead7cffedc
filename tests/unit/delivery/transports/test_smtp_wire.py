"""The client's side of SMTP and LMTP, by scripted dialogues, each fed whole and byte by byte."""

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerd.config.settings import TlsPolicy
from routerd.delivery.outcome import Deferred, Delivered, Failed, Outcome, Stage
from routerd.delivery.transports.smtp_actions import (
    Broken,
    Credentials,
    Finished,
    Login,
    Ready,
    Send,
    SendContent,
    Transaction,
    Upgrade,
)
from routerd.delivery.transports.smtp_wire import Client

MESSAGE = Transaction("b@desk.test", ("ewa@example.com",), 1234)
PLAIN = "220 next.test\n250 next.test\n"
PIPELINED = "220 next.test\n250-next.test\n250-PIPELINING\n250-SIZE 1000000\n250 8BITMIME\n"


class Peer:
    """Plays a server's lines to a client and notes what the client says."""

    def __init__(self, login: Login, byte_by_byte: bool = False) -> None:
        self.client = Client(login)
        self.said: list[str] = []
        self.writes = 0
        self.outcomes: tuple[Outcome, ...] = ()
        self.broken: Deferred | None = None
        self.is_ready = False
        self._byte_by_byte = byte_by_byte

    def hear(self, lines: str, transaction: Transaction | None = None) -> "Peer":
        data = lines.replace("\n", "\r\n").encode()
        turns = re.split(rb"(?<=354 go\r\n)", data)  # after 354 a server waits for the content
        pieces = [data[n : n + 1] for n in range(len(data))] if self._byte_by_byte else turns
        for piece in pieces:
            self.act(self.client.receive(piece))
        if transaction:
            self.start(transaction)
        return self

    def start(self, transaction: Transaction = MESSAGE) -> "Peer":
        self.act(self.client.start(transaction))
        return self

    def act(self, actions) -> None:
        for action in actions:
            match action:
                case Send(data):
                    assert data.endswith(b"\r\n")
                    self.writes += 1
                    self.said += data.decode().removesuffix("\r\n").split("\r\n")
                case SendContent():
                    self.said.append("(content)")
                    self.client.content_sent()
                case Upgrade():
                    self.said.append("(TLS)")
                case Ready():
                    self.is_ready = True
                case Finished(outcomes):
                    self.outcomes = outcomes
                case Broken(outcome):
                    self.broken = outcome


@pytest.fixture(params=[False, True], ids=["whole", "byte by byte"])
def peer_of(request):
    return lambda login=None: Peer(login or Login("mx.test"), request.param)


def transaction_after(peer: Peer, greeting: str, replies: str, message: Transaction = MESSAGE) -> Outcome:
    """The single outcome of a message on a connection that was greeted so."""
    peer.hear(greeting)
    assert peer.is_ready
    peer.start(message).hear(replies)
    (outcome,) = peer.outcomes
    return outcome


def test_a_message_without_pipelining_waits_for_each_reply(peer_of):
    """Commands go one by one to a server that does not offer PIPELINING."""
    peer = peer_of()
    outcome = transaction_after(peer, PLAIN, "250 ok\n250 ok\n354 go\n250 2.0.0 queued as 1\n")
    assert peer.said == [
        "EHLO mx.test",
        "MAIL FROM:<b@desk.test>",
        "RCPT TO:<ewa@example.com>",
        "DATA",
        "(content)",
    ]
    assert outcome == Delivered("taken by the next hop", Stage.CONTENT, "250 2.0.0 queued as 1", 250, "2.0.0")
    assert peer.client.usable


def test_a_message_with_pipelining_is_one_write(peer_of):
    """MAIL, RCPT and DATA leave together where the server can take it, with SIZE where it asks for it."""
    peer = peer_of()
    peer.hear(PIPELINED).start()
    assert peer.writes == 2
    assert peer.said[1:] == ["MAIL FROM:<b@desk.test> SIZE=1234", "RCPT TO:<ewa@example.com>", "DATA"]


def test_a_second_message_needs_no_reset_after_a_delivered_one(peer_of):
    """A kept connection goes on with MAIL after a 250, and with RSET after anything else."""
    peer = peer_of()
    transaction_after(peer, PIPELINED, "250 ok\n250 ok\n354 go\n250 ok\n")
    peer.start()
    assert "RSET" not in peer.said
    peer.hear("250 ok\n550 5.1.1 unknown\n503 no valid recipients\n")
    assert isinstance(peer.outcomes[0], Failed)
    assert peer.client.usable
    assert "RSET" in peer.start().said
    peer.hear("250 reset\n250 ok\n250 ok\n354 go\n250 done\n")
    assert isinstance(peer.outcomes[0], Delivered)


def test_eight_bit_content_is_announced_only_where_it_is_offered(peer_of):
    """BODY=8BITMIME where the server knows it; otherwise 8 bits go as they are, without a parameter."""
    message = Transaction("", ("ewa@example.com",), 10, has_8bit=True)
    assert "MAIL FROM:<> SIZE=10 BODY=8BITMIME" in peer_of().hear(PIPELINED).start(message).said
    assert "MAIL FROM:<>" in peer_of().hear(PLAIN).start(message).said


def test_a_non_ascii_address_needs_smtputf8(peer_of):
    """An address that the next hop cannot take fails with 5.6.7, before anything is sent; offered, it is asked for."""
    message = Transaction("łukasz@desk.test", ("ewa@example.com",), 10)
    peer = peer_of()
    peer.hear(PLAIN).start(message)
    assert (peer.outcomes[0].status, peer.said) == ("5.6.7", ["EHLO mx.test"])
    assert isinstance(peer.outcomes[0], Failed)
    peer = peer_of()
    assert "MAIL FROM:<łukasz@desk.test> SMTPUTF8" in peer.hear("220 a\n250-a\n250 SMTPUTF8\n").start(message).said


@pytest.mark.parametrize("offered", ["SIZE 1000", "size 1000", "SIZE  1000 "])
def test_what_is_larger_than_the_next_hop_takes_is_not_offered_to_it(peer_of, offered):
    """5.3.4 before MAIL (RFC 1870); the connection is as good as before."""
    peer = (
        peer_of().hear(f"220 a\n250-a\n250 {offered}\n").start(Transaction("b@desk.test", ("ewa@example.com",), 1001))
    )
    (outcome,) = peer.outcomes
    assert isinstance(outcome, Failed)
    assert (outcome.status, outcome.stage, outcome.code) == ("5.3.4", Stage.MAIL, 0)
    assert "1000 bytes" in outcome.reason
    assert "1001" in outcome.reason
    assert peer.said == ["EHLO mx.test"]
    peer.start(Transaction("b@desk.test", ("ewa@example.com",), 1000))
    assert peer.said[1:] == ["MAIL FROM:<b@desk.test> SIZE=1000"]


@pytest.mark.parametrize(
    "offered", ["SIZE", "SIZE 0", "SIZE 000", "SIZE -1", "SIZE much", "SIZE \u0661", f"SIZE {'1' * 30}", "HELP"]
)
def test_a_next_hop_that_names_no_limit_is_asked(peer_of, offered):
    """0 is none (RFC 1870 4), and what is no number neither."""
    peer = peer_of().hear(f"220 a\n250-a\n250 {offered}\n").start(Transaction("", ("ewa@example.com",), 10**12))
    assert peer.said[1].startswith("MAIL FROM:<>")


def test_a_next_hop_that_takes_less_than_it_says_is_believed_when_it_refuses(peer_of):
    outcome = transaction_after(peer_of(), PIPELINED, "250 ok\n250 ok\n354 go\n552 5.3.4 too big after all\n")
    assert (outcome.status, outcome.stage) == ("5.3.4", Stage.CONTENT)


def test_an_address_with_a_line_break_is_never_sent(peer_of):
    """No command can be smuggled inside an address."""
    peer = peer_of()
    peer.hear(PIPELINED).start(Transaction("a@b.test>\r\nRCPT TO:<evil@x.test", ("ewa@example.com",), 10))
    assert isinstance(peer.outcomes[0], Failed)
    assert len(peer.said) == 1


def test_helo_follows_where_ehlo_is_refused(peer_of):
    """An old server that answers EHLO by 500 gets HELO."""
    peer = peer_of()
    outcome = transaction_after(peer, "220 old\n500 what\n250 old\n", "250 ok\n250 ok\n354 go\n250 ok\n")
    assert peer.said[:2] == ["EHLO mx.test", "HELO mx.test"]
    assert isinstance(outcome, Delivered)


@pytest.mark.parametrize(
    ("lines", "stage"),
    [
        ("554 no service\n", Stage.GREETING),
        ("421 busy\n", Stage.GREETING),
        ("354 odd\n", Stage.GREETING),
        ("220 a\n450 not now\n", Stage.HELLO),
        ("220 a\n550 no\n550 no\n", Stage.HELLO),
        ("220 a\n421 closing\n", Stage.HELLO),
        ("SSH-2.0-OpenSSH_9.2\n", Stage.GREETING),
        ("220-one\n221 two\n", Stage.GREETING),
        ("220 a\n250-" + "x" * 9000 + "\n", Stage.HELLO),
        ("220 a\n" + "250-more\n" * 200, Stage.HELLO),
        ("220 a\n250 a\n250 unasked\n", Stage.HELLO),
    ],
)
def test_no_conversation_is_trouble_of_the_destination(peer_of, lines, stage):
    """Refusals and nonsense before a transaction defer, and another host may be tried."""
    peer = peer_of()
    peer.hear(lines)
    assert peer.broken
    assert peer.broken.stage is stage
    assert peer.broken.of_destination
    assert not peer.client.usable


REFUSALS = [
    # what the server says to MAIL, RCPT, DATA, content · outcome, stage, enhanced code
    ("450 4.7.1 later", None, None, None, Deferred, Stage.MAIL),
    ("550 5.7.1 no", None, None, None, Deferred, Stage.MAIL),
    ("552 5.3.4 too big", None, None, None, Failed, Stage.MAIL),
    ("552 too big", None, None, None, Failed, Stage.MAIL),
    ("250 ok", "450 4.2.1 greylisted", None, None, Deferred, Stage.RCPT),
    ("250 ok", "550 5.1.1 unknown", None, None, Failed, Stage.RCPT),
    ("250 ok", "550 unknown", None, None, Failed, Stage.RCPT),
    ("250 ok", "503 bad sequence", None, None, Deferred, Stage.RCPT),
    ("250 ok", "250 ok", "451 4.3.0 later", None, Deferred, Stage.DATA),
    ("250 ok", "250 ok", "554 5.7.1 no", None, Failed, Stage.DATA),
    ("250 ok", "250 ok", "354 go", "452 4.3.1 full", Deferred, Stage.CONTENT),
    ("250 ok", "250 ok", "354 go", "554 5.7.1 spam", Failed, Stage.CONTENT),
    ("250 ok", "250 ok", "354 go", "552 too much", Failed, Stage.CONTENT),
]


@pytest.mark.parametrize("pipelined", [True, False])
@pytest.mark.parametrize(("mail", "rcpt", "data", "content", "kind", "stage"), REFUSALS)
def test_a_refusal_is_known_by_its_stage(peer_of, mail, rcpt, data, content, kind, stage, pipelined):
    """Each 4xx and 5xx of a transaction, with and without pipelining, gives its outcome and a usable connection."""
    peer = peer_of()
    replies = [reply for reply in (mail, rcpt, data, content) if reply]
    if pipelined:
        replies += ["503 5.5.1 bad sequence"] * (3 - len(replies))
    outcome = transaction_after(peer, PIPELINED if pipelined else PLAIN, "\n".join(replies) + "\n")
    assert (type(outcome), outcome.stage) == (kind, stage)
    assert outcome.reply == next(reply for reply in replies if not reply.startswith(("2", "3")))
    assert peer.client.usable


@pytest.mark.parametrize("answered", range(4))
def test_a_421_or_a_close_at_any_step_defers(peer_of, answered):
    """Whatever was said before, 421 and silence never count as refusals of the copy."""
    replies = ["250 ok\n", "250 ok\n", "354 go\n"][:answered]
    for ending in ("421 4.3.2 shutting down\n", None, "999 what\n", "\x00\xff\n", "x" * 5000):
        peer = peer_of()
        peer.hear(PIPELINED).start().hear("".join(replies))
        if ending is None:
            peer.act(peer.client.lost("closed the connection"))
        else:
            peer.hear(ending)
        (outcome,) = peer.outcomes
        assert isinstance(outcome, Deferred)
        assert not peer.client.usable
        assert peer.client.mail_was_answered == (answered > 0)


def test_a_354_to_nobody_is_hung_up_on(peer_of):
    """A server that refuses the only recipient and still wants the message gets none, not an empty one."""
    peer = peer_of()
    outcome = transaction_after(peer, PIPELINED, "250 ok\n550 5.1.1 unknown\n354 go\n")
    assert isinstance(outcome, Failed)
    assert "(content)" not in peer.said
    assert not peer.client.usable


def test_an_answer_before_the_final_dot_is_no_delivery():
    """A 250 that comes while the content is still on its way is a desynchronised server's."""
    client = Client(Login("mx.test"))
    client.receive(b"220 a\r\n250 a\r\n")
    client.start(MESSAGE)
    client.receive(b"250 ok\r\n")
    client.receive(b"250 ok\r\n")
    assert client.receive(b"354 go\r\n") == [SendContent()]
    (finished,) = client.receive(b"250 taken already\r\n")
    assert isinstance(finished.outcomes[0], Deferred)


def test_lmtp_gives_an_outcome_for_each_recipient(peer_of):
    """LHLO, one reply per accepted recipient after the dot, in their order (RFC 2033 4.2)."""
    peer = peer_of(Login("mx.test", lmtp=True))
    peer.hear("220 a\n250-a\n250 PIPELINING\n").start(Transaction("", ("a@x.test", "b@x.test", "c@x.test"), 9))
    assert peer.said[0] == "LHLO mx.test"
    peer.hear("250 ok\n250 ok\n550 5.1.1 unknown\n250 ok\n354 go\n250 stored\n452 4.2.2 full\n")
    assert [type(outcome) for outcome in peer.outcomes] == [Delivered, Failed, Deferred]
    assert peer.outcomes[2].of_mailbox


def test_lmtp_with_fewer_replies_than_recipients_defers_the_rest(peer_of):
    """What was answered holds; a recipient whose reply never came is tried again."""
    peer = peer_of(Login("mx.test", lmtp=True))
    peer.hear("220 a\n250 a\n").start(Transaction("", ("a@x.test", "b@x.test"), 9))
    peer.hear("250 ok\n250 ok\n250 ok\n354 go\n250 stored\n")
    peer.act(peer.client.lost("closed the connection"))
    assert [type(outcome) for outcome in peer.outcomes] == [Delivered, Deferred]


def test_tls_is_started_and_what_was_said_before_forgotten(peer_of):
    """After STARTTLS the client says EHLO again and believes only what it hears then."""
    peer = peer_of(Login("mx.test", tls=TlsPolicy.MAY))
    peer.hear("220 a\n250-a\n250-STARTTLS\n250 PIPELINING\n220 go\n")
    assert peer.said == ["EHLO mx.test", "STARTTLS", "(TLS)"]
    peer.act(peer.client.tls_started())
    peer.hear("250 a\n").start()
    assert peer.said[-1] == "MAIL FROM:<b@desk.test>"


def test_required_tls_that_is_not_to_be_had_defers(peer_of):
    """STARTTLS stripped, refused, or lost with a fall back to HELO: nothing is sent in the clear."""
    for lines in ("220 a\n250 a\n", "220 a\n250-a\n250 STARTTLS\n454 no\n", "220 a\n502 no\n250 a\n"):
        peer = peer_of(Login("mx.test", tls=TlsPolicy.REQUIRED))
        peer.hear(lines)
        assert peer.broken
        assert peer.broken.stage is Stage.TLS
        assert not peer.is_ready


def test_refused_optional_tls_goes_on_in_the_clear(peer_of):
    """`tls: may` takes what it can get."""
    peer = peer_of(Login("mx.test", tls=TlsPolicy.MAY))
    assert peer.hear("220 a\n250-a\n250 STARTTLS\n454 no\n").is_ready


def test_words_injected_before_tls_break_the_connection():
    """A reply that comes in one packet with the 220 for STARTTLS would be taken for one from inside (RFC 3207)."""
    for injected in (b"250 injected\r\n", b"250-inj"):
        client = Client(Login("mx.test", tls=TlsPolicy.MAY))
        client.receive(b"220 a\r\n250-a\r\n250 STARTTLS\r\n")
        assert any(isinstance(action, Broken) for action in client.receive(b"220 go\r\n" + injected))


SECRET = Credentials("relay", "pässword")


def test_auth_plain_is_preferred_and_only_inside_tls(peer_of):
    """The password goes out in base64 inside TLS, and never without it."""
    login = Login("mx.test", tls=TlsPolicy.MAY, credentials=SECRET)
    peer = peer_of(login)
    peer.hear("220 a\n250-a\n250 AUTH PLAIN LOGIN\n")
    assert peer.broken
    assert peer.broken.stage is Stage.AUTH
    assert len(peer.said) == 1
    peer = peer_of(login)
    peer.hear("220 a\n250-a\n250 STARTTLS\n220 go\n")
    peer.act(peer.client.tls_started())
    peer.hear("250-a\n250 AUTH LOGIN PLAIN\n")
    assert base64.b64decode(peer.said[-1].removeprefix("AUTH PLAIN ")).decode() == "\0relay\0pässword"
    assert peer.hear("235 2.7.0 ok\n").is_ready


def test_auth_login_where_there_is_nothing_else(peer_of):
    """User and password follow one another; a refusal is the destination's trouble."""
    login = Login("mx.test", private=True, lmtp=True, credentials=SECRET)
    peer = peer_of(login)
    peer.hear("220 a\n250-a\n250 AUTH LOGIN\n334 VXNlcm5hbWU6\n334 UGFzc3dvcmQ6\n")
    assert [base64.b64decode(word).decode() for word in peer.said[-2:]] == ["relay", "pässword"]
    peer.hear("535 5.7.8 wrong\n")
    assert peer.broken
    assert peer.broken.of_destination


def test_a_password_is_in_no_repr():
    """Credentials may end up in a log; the password may not."""
    assert "pässword" not in repr(Login("mx.test", credentials=SECRET))


def test_an_idle_connection_that_is_spoken_to_is_not_used_again(peer_of):
    """The 421 of a server that closes an idle connection spoils it."""
    peer = peer_of()
    transaction_after(peer, PLAIN, "250 ok\n250 ok\n354 go\n250 ok\n")
    peer.hear("421 4.4.2 idle too long\n")
    assert not peer.client.usable


@given(st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([b"250 ok\r\n", b"354 go\r\n", b"550 no\r\n"]))))
def test_no_bytes_of_a_server_raise(chunks):
    """Whatever a server says ends in actions, and a transaction that ends has its outcome."""
    client = Client(Login("mx.test"))
    client.receive(b"220 a\r\n250-a\r\n250 PIPELINING\r\n")
    client.start(MESSAGE)
    actions = [action for chunk in chunks for action in client.receive(chunk)]
    actions += client.lost("closed the connection")
    finished = [action for action in actions if isinstance(action, Finished)]
    assert len(finished) == 1
    assert len(finished[0].outcomes) == 1

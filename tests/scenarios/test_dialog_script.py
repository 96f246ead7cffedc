"""The dialogues' own format and player: what is wrong with a script or a server is found, and said with its place."""

import socket
import threading
from collections.abc import Sequence

import pytest
from dialog_player import DialogError, Door, check_messages, play
from dialog_script import SPLITS, Dialog, ScriptError, parse_bytes, parse_dialog

HEAD = "# It is so.\n# listener: plain\n# postfix: same\n\n"
DIFFERS = HEAD.replace("same", "differs: it is another program")
GREETING = b"220 mx1.example.com ESMTP\r\n"
BYE = b"221 2.0.0 Bye\r\n"


class _Server(threading.Thread):
    """Says the greeting, then one of `replies` for each line that comes, and closes behind the last."""

    def __init__(self, *replies: bytes) -> None:
        super().__init__(daemon=True)
        self.heard = b""
        self._replies = replies
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.start()

    @property
    def door(self) -> Door:
        return Door(self._listening.getsockname()[1])

    def run(self) -> None:
        with self._listening, self._listening.accept()[0] as connection, connection.makefile("rb") as lines:
            connection.sendall(GREETING)
            for reply in self._replies:
                self.heard += lines.readline()
                connection.sendall(reply)


def _played(text: str, *replies: bytes, ours: bool = True) -> list[str]:
    return play(parse_dialog("x.dialog", text), "lines", _Server(*replies).door, ours=ours)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("C: NOOP\n", "x.dialog:1: the first comment says in a sentence what holds"),
        ("# It is so.\n# listener: plain\n\nS: 220\n", "the head has no `# postfix:`"),
        (HEAD.replace("same", "perhaps") + "S: 220\n", "postfix: is `same`, `differs: WHY` or `n/a: WHY`"),
        (HEAD.replace("same", "n/a") + "S: 220\n", "postfix: n/a has to say why"),
        (HEAD + "S: 220\nC: FOO\n# why: so\nS: 500 | postfix: 502\n", "differs from Postfix, but its head does not"),
        (DIFFERS + "S: 220\n", "its head says that Postfix differs, but no line does"),
        (DIFFERS + "S: 220\nS: 500 | postfix: 502\n", "x.dialog:6: no `# why:` in front of what differs"),
        (DIFFERS + "# why: so\nS: 220 | postfix: 220\n", "x.dialog:6: no difference is listed"),
        (HEAD + "S: 220\nSAY: NOOP\n", "x.dialog:6: 'SAY:' begins no step"),
        (HEAD + 'C<< "\\q"\n', "x.dialog:5: unknown escape \\q"),
        (HEAD + "C<< NOOP\n", "x.dialog:5: not a quoted text: NOOP"),
        (HEAD.replace("plain\n", "plain\n# splits: halves\n") + "S: 220\n", "unknown split or client"),
    ],
)
def test_what_is_no_dialogue_is_said_with_its_place(text: str, problem: str) -> None:
    """A script that would test nothing, or hide a difference, is no script."""
    with pytest.raises(ScriptError) as found:
        parse_dialog("x.dialog", text)
    assert problem in str(found.value)


def test_bytes_are_written_with_escapes_and_repeated() -> None:
    """Any octet can be said."""
    assert parse_bytes(r'"a\r\n\0" * 2 "\xFF\"\\"') == b'a\r\n\0a\r\n\0\xff"\\'


def _script(text: str) -> Dialog:
    return parse_dialog("x.dialog", text)


@pytest.mark.parametrize("split", SPLITS)
def test_every_split_says_the_same(split: str) -> None:
    """However it is cut, the server hears the same bytes, and QUIT behind a script that leaves the connection open."""
    server = _Server(b"500 5.5.2 No\r\n", b"250 2.0.0 Ok\r\n", BYE)
    play(
        _script(HEAD + 'S: 220\nC: FOO bar\nS: 500\nC<< "NO" "OP\\r\\n"\nS: 250 2.0.0\n'), split, server.door, ours=True
    )
    assert server.heard == b"FOO bar\r\nNOOP\r\nQUIT\r\n"


@pytest.mark.parametrize(
    ("replies", "problem"),
    [
        ([b"250 2.0.0 Ok\r\n", BYE], "x.dialog:7 (lines): expected '500 5.5.2', got '250 2.0.0 Ok'"),
        ([b"500 5.5.22 No\r\n", BYE], "expected '500 5.5.2', got '500 5.5.22 No'"),
        ([b"500 5.5.2 No\r\n500 5.5.2 No\r\n", BYE], "expected '221 2.0.0', got '500 5.5.2 No'"),
        ([b"500 5.5.2 No\r\n", BYE + b"250 2.0.0 Ok\r\n"], "said behind its end"),
        ([b"500 5.5.2 No\n", BYE], "no reply line"),
        ([b"500 No\r\n", BYE], "no enhanced status"),
        ([b"500 4.5.2 No\r\n", BYE], "no enhanced status, or another class"),
        ([b"500-5.5.2 No\r\n501 5.5.2 No\r\n", BYE], "the codes of one reply differ"),
        ([b""], "the server has closed the connection"),
    ],
)
def test_another_answer_is_found(replies: Sequence[bytes], problem: str) -> None:
    """Another code, another status, one reply too many, or none: the line and the split are named."""
    with pytest.raises(DialogError) as found:
        _played(HEAD + "S: 220\nC: FOO\nS: 500 5.5.2\n", *replies)
    assert problem in str(found.value)


def test_a_listed_difference_must_be_there() -> None:
    """Of Postfix what is listed is expected, and nothing else; of routerd the other."""
    text = DIFFERS + "S: 220\nC: FOO\n# why: so\nS: 500 5.5.2 | postfix: 502\n"
    _played(text, b"502 5.5.2 No\r\n", BYE, ours=False)
    _played(text, b"500 5.5.2 No\r\n", BYE)
    with pytest.raises(DialogError, match="expected '502'"):
        _played(text, b"500 5.5.2 No\r\n", BYE, ours=False)
    with pytest.raises(DialogError, match=r"expected '500 5\.5\.2'"):
        _played(text, b"502 5.5.2 No\r\n", BYE)


def test_offers_are_those_of_the_last_hello() -> None:
    """What is offered is compared by whole lines."""
    text = HEAD + "S: 220\nC: EHLO client.test\nS: 250 mx1.example.com\nOFFERS {}\n"
    hello = b"250-mx1.example.com\r\n250-SIZE 100\r\n250 8BITMIME\r\n"
    _played(text.format("SIZE 100, 8BITMIME, NOT STARTTLS, NOT SIZE"), hello, BYE)
    for wrong in ("STARTTLS", "NOT 8BITMIME"):
        with pytest.raises(DialogError, match="among"):
            _played(text.format(wrong), hello, BYE)


def test_messages_are_counted_and_looked_at() -> None:
    """A message that nobody expected is found, and so is one whose body is another."""
    delivered = {"A1": [b"Subject: x\n\nbody\n"]}
    check_messages(_script(HEAD + 'S: 220\nMESSAGES 1\nMESSAGE 1 body "body\\n"\n'), ["A1"], delivered, ours=True)
    with pytest.raises(DialogError, match="1 messages were taken, not 0"):
        check_messages(_script(HEAD + "S: 220\n"), ["A1"], delivered, ours=True)
    with pytest.raises(DialogError, match=r"x\.dialog:7: the delivered message does not fit: lacks b'body'"):
        check_messages(_script(HEAD + 'S: 220\nMESSAGES 1\nMESSAGE 1 lacks "body"\n'), ["A1"], delivered, ours=True)
    with pytest.raises(DialogError, match="only 0 messages were taken"):
        check_messages(_script(HEAD + 'S: 220\nMESSAGES 1\nMESSAGE 1 has "x"\n'), [], delivered, ours=True)

"""Scripted SMTP dialogues: the text of a `.dialog` file made into steps.

A file begins with comments: sentences that say what holds, then these keys:

    # listener: plain           which door is knocked at (dialog_peers.py has them all)
    # client: stranger          from where: stranger (default), trusted, proxy
    # postfix: same             Postfix says the same; or `differs: WHY`, or `n/a: WHY`
    # splits: group             optional: only these ways to cut what the client says (default: all)
    # postfix splits: lines     the same for Postfix

and goes on with one step a line:

    C: MAIL FROM:<a@far.test>   a line; CRLF is added. {base64 \\0ewa\\0secret} is written out
    C<< "x" * 2000 "\\r.\\n"    exact bytes, with escapes \\r \\n \\0 \\t \\" \\\\ \\xHH
    S: 250 2.1.0                one reply, which begins so; several lines: `S: 250-first`, then `S: 250 last`
    S: 250 2.0.0 * 100          a hundred of them
    OFFERS SIZE, NOT DSN        what the last EHLO's reply names, and what it does not
    TLS                         the handshake
    CLOSED                      the server has closed the connection, and said nothing more (OPEN: it has not)
    HANGUP                      the client closes it
    MESSAGES 1                  so many messages were taken, and delivered (default: none)
    MESSAGE 1 body "x\\n"       the first one's body as delivered; `has "x"`, `lacks "x"` look at its header too

Where Postfix does otherwise the line says what (`S: 550 5.5.2 | postfix: 521 5.5.2`, `nothing`: no such reply,
`CLOSED | postfix: OPEN`), and a comment `# why: …` in front of it says why that is right; it stands until the next.
"""

import base64
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

SPLITS = ("lines", "group", "bytes", "random", "ahead")
_CLIENTS = ("stranger", "trusted", "proxy")
_KEYS = frozenset({"listener", "client", "postfix", "splits", "postfix splits"})
_EXPECTED = frozenset({"S:", "OFFERS", "MESSAGES", "MESSAGE"})
_PIECE = re.compile(r'\s*"((?:[^"\\]|\\.)*)"(?:\s*\*\s*(\d+))?')
_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{2}|.)")
_REPEATED = re.compile(r" \* (\d+)\Z")
_BASE64 = re.compile(r"\{base64 ([^}]*)\}")
_NAMED = {"r": b"\r", "n": b"\n", "0": b"\0", "t": b"\t", '"': b'"', "\\": b"\\"}
NOTHING = "nothing"
OPEN = "OPEN"
CLOSED = "CLOSED"


class ScriptError(ValueError):
    """The file is not a dialogue; says `NAME:LINE: what is wrong`."""


@dataclass(frozen=True, slots=True)
class Send:
    line: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Action:
    line: int
    what: Literal["TLS", "HANGUP"]


@dataclass(frozen=True, slots=True)
class Expect:
    """`what` is the line's first word (END: CLOSED or OPEN); `ours` what routerd should do, `theirs` Postfix."""

    line: int
    what: str
    ours: str
    theirs: str


Step = Send | Action | Expect


@dataclass(frozen=True, slots=True)
class Dialog:
    name: str
    says: str  # what holds, in sentences
    listener: str
    client: str
    postfix: str  # same, differs, n/a
    splits: tuple[str, ...]
    postfix_splits: tuple[str, ...]
    steps: tuple[Step, ...]


def load_dialog(path: Path) -> Dialog:
    """Raises ScriptError."""
    return parse_dialog(path.name, path.read_text(encoding="utf-8"))


def parse_dialog(name: str, text: str) -> Dialog:
    """Raises ScriptError."""
    lines = text.splitlines()
    head = next((number for number, line in enumerate(lines) if line and not line.startswith("#")), len(lines))
    sentences, keys = _parse_head(name, lines[:head])
    steps = tuple(_parse_steps(name, lines, head))
    kind = keys["postfix"].partition(":")[0]
    if kind not in ("same", "differs", "n/a"):
        raise ScriptError(f"{name}: postfix: is `same`, `differs: WHY` or `n/a: WHY`")
    if kind != "same" and not keys["postfix"].partition(":")[2].strip():
        raise ScriptError(f"{name}: postfix: {kind} has to say why")
    if kind != "differs" and any(isinstance(step, Expect) and step.ours != step.theirs for step in steps):
        raise ScriptError(f"{name}: differs from Postfix, but its head does not say so")
    if kind == "differs" and all(not isinstance(step, Expect) or step.ours == step.theirs for step in steps):
        raise ScriptError(f"{name}: its head says that Postfix differs, but no line does")
    splits = tuple(keys.get("splits", " ".join(SPLITS)).split())
    postfix_splits = tuple(keys.get("postfix splits", " ".join(splits)).split())
    client = keys.get("client", "stranger")
    if not {*splits, *postfix_splits} <= set(SPLITS) or client not in _CLIENTS:
        raise ScriptError(f"{name}: unknown split or client")
    return Dialog(name, " ".join(sentences), keys["listener"], client, kind, splits, postfix_splits, steps)


def _parse_head(name: str, lines: list[str]) -> tuple[list[str], dict[str, str]]:
    sentences: list[str] = []
    keys: dict[str, str] = {}
    for line in lines:
        said = line.removeprefix("#").strip()
        key, colon, value = said.partition(":")
        if colon and key in _KEYS:
            keys[key] = value.strip()
        elif said and not said.startswith("why:"):
            sentences.append(said)
    if not sentences or not sentences[-1].endswith("."):
        raise ScriptError(f"{name}:1: the first comment says in a sentence what holds")
    for key in ("listener", "postfix"):
        if key not in keys:
            raise ScriptError(f"{name}: the head has no `# {key}:`")
    return sentences, keys


def _parse_steps(name: str, lines: list[str], head: int) -> list[Step]:
    steps: list[Step] = []
    says_why = any(line.startswith("# why: ") for line in lines[:head])
    for number, line in enumerate(lines[head:], head + 1):
        if line.startswith("#"):
            says_why = says_why or line.startswith("# why: ")
        elif line:
            try:
                step = _parse_step(number, line)
            except ValueError as error:
                raise ScriptError(f"{name}:{number}: {error}") from None
            if isinstance(step, Expect) and step.ours != step.theirs and not says_why:
                raise ScriptError(f"{name}:{number}: no `# why:` in front of what differs")
            repeated = _REPEATED.search(line) if isinstance(step, Expect) and step.what == "S:" else None
            steps += [step] * (int(repeated[1]) if repeated else 1)
    return steps


def _parse_step(number: int, line: str) -> Step:
    if line.startswith("C: ") or line == "C:":
        text = _BASE64.sub(lambda found: base64.b64encode(unescaped(found[1])).decode("ascii"), line[3:])
        return Send(number, text.encode() + b"\r\n")
    if line.startswith("C<< "):
        return Send(number, parse_bytes(line[4:]))
    if line == "TLS" or line == "HANGUP":
        return Action(number, "TLS" if line == "TLS" else "HANGUP")
    word, _, rest = line.partition(" ")
    if word in (OPEN, CLOSED):
        word, rest = "END", line
    if word not in _EXPECTED and word != "END":
        raise ValueError(f"{word!r} begins no step")
    if word == "S:":
        rest = _REPEATED.sub("", rest)
    ours, bar, theirs = f" {rest}".partition(" | postfix: ")
    if bar and ours.strip() == theirs.strip():
        raise ValueError("no difference is listed")
    return Expect(number, word, ours.strip(), theirs.strip() if bar else ours.strip())


def parse_bytes(text: str) -> bytes:
    """`"abc" * 3 "\\r\\n"` as bytes. Raises ValueError."""
    data, at = b"", 0
    text = text.rstrip()
    while at < len(text):
        found = _PIECE.match(text, at)
        if found is None:
            raise ValueError(f"not a quoted text: {text[at:]}")
        data += unescaped(found[1]) * int(found[2] or 1)
        at = found.end()
    return data


def unescaped(text: str) -> bytes:
    """Raises ValueError for an escape that is none."""
    data, at = b"", 0
    for found in _ESCAPE.finditer(text):
        data += text[at : found.start()].encode()
        escape = found[1]
        if escape.startswith("x") and len(escape) == 3:
            data += bytes.fromhex(escape[1:])
        elif escape in _NAMED:
            data += _NAMED[escape]
        else:
            raise ValueError(f"unknown escape \\{escape}")
        at = found.end()
    return data + text[at:].encode()

"""Rule files as text: tame ones that are mostly right, wild ones in which anything may stand anywhere, and floods."""

import json
import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pieces import spoil
from rule_values import ADDRESSES, ODD_ADDRESSES, ODD_TERMS, TARGETS, TERMS, RuleValues

_ROOT = Path(__file__).parents[2]
_SAMPLES = ("rules.d/*.yaml", "tests/golden/rules/*.yaml", "tests/golden/findings/rules.d/*.yaml")
_LINES = (
    b"- &a x", b"  - *a", b"<<: *a", b"!!python/object/apply:os.system [ls]", b"!!binary aGk=", b"%YAML 1.2", b"---",
    b"...", b"\tname: x", b"? a", b": b", b"rules:", b"tests:", b"- name: r", b"  name: r", b"# comment",
    b"\xef\xbb\xbf", b"\xff\xfe", b"\x00", b"\xc3", b"\xed\xa0\x80", b"when: {always: true}", b"lang: [pl, en, xx]",
    b"mode: trial", b"{", b"]", b"'", b'"', b'"\\ud800"', b'"\\U0010ffff\\x00\\e"', b"|", b">-", b"  |9", b"@x", b"`x",
    b"\xe2\x80\xa8", b"a: b: c", b"- - - -", b"inbox: [support@example.com]", b"    then: {label: x}", b"\r", b"\x85",
    b"\xc2\x85", b"\x0b", b"\x1b[31m",
)  # fmt: skip
_FLOODS = (  # what is repeated, and what as often behind it
    (b"[", b""), (b"[", b"]"), (b"{", b""), (b"{a: ", b"}"), (b"- ", b""), (b"? ", b""), (b"{all: [", b"]}"),
    (b"{not: ", b"}"), (b"{any: [{subject: a}, ", b"]}"), (b"a", b""), (b"'", b""), (b'"', b""), (b'"a', b'"'),
    (b"#", b""), (b"\n", b""), (b"\t", b""), (b" ", b""), (b"\0", b""), (b"\xff", b""), (b"\xef\xbb\xbf", b""),
    (b"&a ", b""), (b"*a, ", b""), (b"!!x ", b""), (b"---\n", b""), (b"a: b\n", b""), (b"a: ", b""), (b",", b""),
    (b"faktura, ", b""), (b"\xcc\x81", b""), (b"\xe2\x80\x8f", b""), (b"9", b""), (b"- a\n", b""),
    (b"\xd9\x84\xd9\x84", b""), (b"\\", b""), (b"|\n", b""), (b"%", b""), (b"\r\n", b""), (b"<<: {", b"}"),
    (b"&a [*a], ", b""), (b"{regex: (a+)+}, ", b""), (b"{in: lists/a.txt}, ", b""), (b"x\xcc\x88", b""),
    (b"\xe2\x80\xa8", b""), (b"{text: b}, ", b""), (b"- {name: r}\n", b""), (b"{'a': [", b"]}"),
)  # fmt: skip
_AROUND = (
    (b"", b""), (b"rules: ", b""), (b"rules:\n- name: r\n  when: ", b"\n  then: {label: x}\n"), (b"tests: ", b""),
    (b"rules:\n- name: r\n  when: {text: [", b"]}\n  then: {label: x}\n"), (b"inbox: ", b""),
    (b"rules:\n- name: r\n  when: {not: {", b"}}\n  then: {label: x}\n"),
    (b"rules:\n- name: r\n  when: {text: x}\n  then: {label: [", b"]}\n"),
)  # fmt: skip


def rule_file(source: random.Random, *, wild: bool, most: int) -> bytes:
    """`most`: bytes of a flood."""
    kind = source.random()
    if wild and kind < 0.3:
        return spoil(source, mixed(source, _samples()))
    if wild and kind < 0.37:
        return flood(source, most)
    data = yaml_of(source, RuleValues(source, wild).file()).encode("utf-8", "surrogatepass")
    return spoil(source, data) if wild and source.random() < 0.3 else data


def list_file(source: random.Random, *, wild: bool, most: int) -> bytes:
    """Terms, or addresses, one a line; with junk where it is wild."""
    count = 10_000 if most > 50_000 and source.random() < 0.1 else source.choice((1, 3, 10, 40))
    number = source.randrange(1_000)
    if not wild:
        choices = [*source.choice((TERMS, ADDRESSES)), "# a comment", *(f"entry{number + at}" for at in range(count))]
        return "\n".join([choices[0], *source.choices(choices, k=count)]).encode()
    if source.random() < 0.05:
        return flood(source, most)
    lines = [_line(source) if source.random() < 0.9 else f"entry{number + at}" for at in range(count)]
    end = source.choice(("\n", "\n", "\r\n", "\r", "\x85", "\x0b"))
    return spoil(source, end.join(lines).encode("utf-8", "surrogatepass" if source.random() < 0.01 else "ignore"))


def table_file(source: random.Random, *, wild: bool) -> bytes:
    """Rows of a look-up table."""
    if wild and source.random() < 0.5:
        return list_file(source, wild=True, most=1_000)
    names = source.sample("abcdefgh", source.randrange(1, 8))
    rows = [f"{name}.example,{source.choice(TARGETS)}" for name in names]
    return "\n".join(["klient.pl,finance", "anna@klient.pl, ewa", *rows]).encode()


def flood(source: random.Random, most: int) -> bytes:
    """Much of one thing."""
    piece, behind = source.choice(_FLOODS)
    times = max(1, int(most ** source.uniform(0.3, 1.0)) // len(piece))
    head, foot = source.choice(_AROUND)
    return head + piece * times + behind * times + foot


def _line(source: random.Random) -> str:
    address, term = source.choice((*ADDRESSES, *ODD_ADDRESSES)), source.choice((*TERMS, *ODD_TERMS))
    row = f"{address}{source.choice((',', ' , ', ';', ',,'))}{source.choice((*TARGETS, term))}"
    return source.choice((row, term, address, "# a comment", f"{term} # x"))


@cache
def _samples() -> tuple[bytes, ...]:
    found = tuple(path.read_bytes() for pattern in _SAMPLES for path in sorted(_ROOT.glob(pattern)))
    if not found:
        raise FileNotFoundError("no sample of a rule file")
    return found


def mixed(source: random.Random, samples: Sequence[bytes]) -> bytes:
    """Lines of one or two samples, some of them moved, indented, or in the place of others."""
    lines = [line for _ in range(source.choice((1, 1, 2))) for line in source.choice(samples).split(b"\n")]
    for _ in range(source.choice((0, 1, 2, 5))):
        at = source.randrange(len(lines))
        match source.randrange(5):
            case 0:
                lines.insert(at, source.choice(_LINES))
            case 1:
                lines[at] = b" " * source.randrange(6) + lines[at].lstrip()
            case 2:
                lines.insert(at, source.choice(lines))
            case 3:
                lines[at] = lines[at].replace(b": ", b": " + source.choice(_LINES), 1)
            case _:
                lines[at : at + 1] = []
                lines = lines or [b""]
    return source.choice((b"\n", b"\n", b"\n", b"\r\n", b"\r")).join(lines)


def yaml_of(source: random.Random, value: Any) -> str:
    """The values as YAML: in one line, as blocks, or mixed."""
    if source.random() < 0.2:
        return json.dumps(value, ensure_ascii=source.random() < 0.2)
    text = source.choice(("", "", "", "\ufeff", "---\n", "# a comment\n")) + _block(source, value, 0)
    return text.replace("\n", "\r\n") if source.random() < 0.1 else text


def _block(source: random.Random, value: Any, indent: int) -> str:
    if not (isinstance(value, dict | list) and value) or (indent > 2 and source.random() < 0.2):
        return f"{_scalar(source, value)}\n"
    lead = "\n" + " " * indent if indent else ""
    lines = []
    for inner in value:
        begin = f"{_scalar(source, inner)}: " if isinstance(value, dict) else "- "
        behind = value[inner] if isinstance(value, dict) else inner
        lines.append(lead + begin + _block(source, behind, indent + 2).removesuffix("\n"))
    return ("" if indent else "\n").join(lines) + "\n"


def _scalar(source: random.Random, value: Any) -> str:
    """As JSON; or without its quotes, where that is the same, and sometimes where it is not."""
    if isinstance(value, str) and value and source.random() < 0.5:
        if value.replace(" ", "").isalnum() or source.random() < 0.01:
            return value
        if value.isprintable():
            return "'" + value.replace("'", "''") + "'"
    return json.dumps(value, ensure_ascii=source.random() < 0.05)


def split_by(data: bytes, mark: bytes, count: int) -> Sequence[bytes]:
    """That many parts, of which the last are empty where there are fewer."""
    parts = data.split(mark, count - 1)
    return [*parts, *[b""] * (count - len(parts))]

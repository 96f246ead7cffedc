"""Plain text as a person sees it: flowed lines joined, armour and text commands gone. Linear, never raises."""

import re

_MAX_DEPTH = 100  # of quoting: a line of `>` alone is no quote of a quote
_MAX_ARMOUR_HEADERS = 1000
_SIGNATURE = "-- "
_ARMOUR = re.compile(
    r"^-----BEGIN PGP (SIGNED MESSAGE|MESSAGE|SIGNATURE|PUBLIC KEY BLOCK|PRIVATE KEY BLOCK)-----[ \t]*\n", re.MULTILINE
)
_ESCAPED_DASH = re.compile(r"^- ", re.MULTILINE)
_COMMAND = re.compile(r"<param>[^<]{0,1000}</param>|<(<)|</?[A-Za-z0-9-]{1,60}>")
_LINE_ENDS = re.compile(r"\n(\n*)")


def unflow(text: str, *, deletes_spaces: bool) -> str:
    """`text` (format=flowed, RFC 3676, LF line ends) with its lines joined. `deletes_spaces`: its DelSp."""
    lines: list[str] = []
    paragraph: list[str] = []
    depth_before = -1  # of an open paragraph
    for line in text.split("\n"):
        depth = _depth_of(line)
        said = line[depth:]
        if said.startswith(" "):
            said = said[1:]  # 4.4: stuffed
        if paragraph and (depth != depth_before or not said or said == _SIGNATURE):
            lines.append("".join(paragraph))
            paragraph.clear()
        if not paragraph:
            paragraph.append(">" * depth + " " if depth else "")
        elif deletes_spaces:
            paragraph[-1] = paragraph[-1][:-1]
        paragraph.append(said)
        depth_before = depth
        if not said.endswith(" ") or said == _SIGNATURE:
            lines.append("".join(paragraph))
            paragraph.clear()
    if paragraph:
        lines.append("".join(paragraph))
    return "\n".join(lines)


def without_armour(text: str) -> str:
    """`text` less what OpenPGP encloses in lines of base64 (RFC 9580 6.2); signed text stays, as it was before (7)."""
    pieces: list[str] = []
    at = 0
    signed = False
    found = _ARMOUR.search(text)
    while found is not None:
        before = text[at : found.start()]
        pieces.append(_ESCAPED_DASH.sub("", before) if signed else before)
        kind = found[1]
        signed = kind == "SIGNED MESSAGE"
        if signed:
            blank = text.find("\n\n", found.end() - 1, found.end() + _MAX_ARMOUR_HEADERS)
            at = found.end() if blank < 0 else blank + 2
        else:
            last = f"-----END PGP {kind}-----"
            end = text.find(last, found.end())
            if end < 0:
                at = found.start()
                break  # it does not end: whatever it is, a person sees it
            at = _behind_line(text, end + len(last))
        found = _ARMOUR.search(text, at)
    pieces.append(text[at:])
    return "".join(pieces)


def without_commands(text: str) -> str:
    """`text` (text/enriched, RFC 1896) as plain text."""
    text = _COMMAND.sub(lambda found: found[1] or "", text)
    return _LINE_ENDS.sub(lambda found: found[1] or " ", text)


def _depth_of(line: str) -> int:
    if not line.startswith(">"):
        return 0
    head = line[:_MAX_DEPTH]
    return len(head) - len(head.lstrip(">"))


def _behind_line(text: str, at: int) -> int:
    newline = text.find("\n", at)
    return len(text) if newline < 0 else newline + 1

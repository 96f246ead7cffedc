"""The tree of parts, and what is decoded of it."""

import mmap
from base64 import encodebytes
from pathlib import Path
from quopri import encodestring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerd.message.headers import HeaderBlock
from routerd.message.mime import MAX_DEPTH, MAX_PARTS, Part, decode_part, estimated_size, parse_parts


def parse(raw: bytes) -> Part:
    return parse_parts(raw, HeaderBlock.scan(raw))


def bodies(raw: bytes) -> list[tuple[str, bytes]]:
    return [(part.type, raw[part.start : part.end]) for part in parse(raw).walk() if not part.children]


MIXED = (
    b"Content-Type: multipart/mixed; boundary=aa\r\n\r\npreamble\r\n--aa\r\n\r\none\r\n"
    b"--aa \t\r\nContent-Type: TEXT/HTML; x=y\r\n\r\n--aab\r\n--\r\n"
    b"--aa\r\nContent-Type: multipart/alternative; boundary=aab\r\n\r\n--aab\r\n\r\ntwo\r\n--aab--\r\nepi\r\n"
    b"--aa--\r\nepilogue"
)


def test_parts_are_found_by_their_boundaries() -> None:
    """A line that only begins like the boundary is none, and the line end before one belongs to it."""
    assert bodies(MIXED) == [("text/plain", b"one"), ("text/html", b"--aab\r\n--"), ("text/plain", b"two")]


@pytest.mark.parametrize("off", range(-12, 3))
def test_a_boundary_is_found_wherever_it_stands(off: int, tmp_path: Path) -> None:
    """Also where the bytes are searched in pieces, and in a map of a file."""
    head = b"Content-Type: multipart/mixed; boundary=bound\r\n\r\n--bound\r\n\r\n"
    first = b"x" * (262_144 - len(b"--bound") + off)
    raw = head + first + b"\r\n--bound\r\n\r\nsecond\r\n--boundx\r\n--bound--\r\n--bound\r\n\r\nno part\r\n"
    path = tmp_path / "message"
    path.write_bytes(raw)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        for found in (parse(raw), parse_parts(mapped, HeaderBlock.scan(mapped))):
            assert [raw[part.start : part.end] for part in found.children] == [first, b"second\r\n--boundx"]


def test_bare_line_feeds_do() -> None:
    raw = MIXED.replace(b"\r\n", b"\n")
    assert bodies(raw) == [("text/plain", b"one"), ("text/html", b"--aab\n--"), ("text/plain", b"two")]


def test_a_multipart_that_never_ends_has_its_last_part() -> None:
    assert bodies(b"Content-Type: multipart/mixed; boundary=a\n\n--a\n\none\n--a\n\ntwo") == [
        ("text/plain", b"one"),
        ("text/plain", b"two"),
    ]


@pytest.mark.parametrize("parameter", [b"", b"; boundary=zz", b'; boundary=""'])
def test_a_multipart_without_its_boundary_is_one_text(parameter: bytes) -> None:
    root = parse(b"Content-Type: multipart/mixed" + parameter + b"\n\n--a\n\none")
    assert root.broken
    assert not root.children


def test_a_type_that_is_none_is_plain_text() -> None:
    """RFC 2045 5.2."""
    for value in (b"text", b"", b"; charset=x", b"\xff/\xff", b"a b c"):
        assert parse(b"Content-Type: " + value + b"\n\nx").type == "text/plain"


def test_an_enclosed_message_is_taken_apart() -> None:
    raw = b"Content-Type: message/rfc822\n\nSubject: x\nContent-Type: text/html\n\nhi"
    assert bodies(raw) == [("text/html", b"hi")]


def test_members_of_a_digest_are_messages() -> None:
    raw = b"Content-Type: multipart/digest; boundary=a\n\n--a\n\nSubject: x\n\nhi\n--a--"
    assert [part.type for part in parse(raw).walk()] == ["multipart/digest", "message/rfc822", "text/plain"]


def test_depth_and_number_are_bounded() -> None:
    """Deeper or more than is looked at stays one undivided part."""
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=a%d\n\n--a%d\n" % (n, n) for n in range(5000))
    assert sum(1 for _ in parse(deep).walk()) == MAX_DEPTH + 1
    wide = b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--a\n\n" * 5000
    assert sum(1 for _ in parse(wide).walk()) == MAX_PARTS
    messages = b"Content-Type: message/rfc822\n\n" * 5000
    assert sum(1 for _ in parse(messages).walk()) == MAX_DEPTH + 1


@pytest.mark.parametrize(
    ("encoding", "body", "text"),
    [
        (b"base64", b"xYHD\r\ns2TFug==", "Łódź"),
        (b"BASE64 ", b"!xYHD\r\ns2TF\xffug", "Łódź"),
        (b"quoted-printable", b"=C5=81=C3=B3d=\r\n=C5=BA =zz =", "Łódź =zz "),
        (b"8bit", "Łódź".encode(), "Łódź"),
        (b"x-unheard-of", b"a", "a"),
        (b"x-uuencode", b"begin 644 a\n#0V%T\n`\nend\n", "Cat"),
    ],
)
def test_transfer_encodings(encoding: bytes, body: bytes, text: str) -> None:
    raw = b"Content-Transfer-Encoding: " + encoding + b"\r\n\r\n" + body
    assert decode_part(raw, parse(raw), 1000) == (text, False)


@pytest.mark.parametrize("encoding", [b"base64", b"quoted-printable", b"8bit"])
def test_text_is_cut_between_characters(encoding: bytes) -> None:
    """The cap counts decoded bytes, and a character that it tears is left out."""
    encode = {b"base64": encodebytes, b"quoted-printable": encodestring, b"8bit": bytes}[encoding]
    raw = b"Content-Transfer-Encoding: " + encoding + b"\n\n" + encode("ą".encode() * 5000)
    text, cut = decode_part(raw, parse(raw), 1001)
    assert cut
    assert text == "ą" * 500


def test_sizes_are_told_without_decoding() -> None:
    for size in (0, 1, 2, 3, 56, 57, 58, 5000, 100_001):
        body = encodebytes(b"x" * size).replace(b"\n", b"\r\n")
        raw = b"Content-Transfer-Encoding: base64\r\n\r\n" + body
        assert abs(estimated_size(raw, parse(raw)) - size) <= 2
    raw = b"Content-Transfer-Encoding: quoted-printable\n\n" + b"=C5=81" * 100
    assert estimated_size(raw, parse(raw)) == 200


@given(
    st.lists(
        st.sampled_from(
            [
                b"--a",
                b"--a--",
                b"\r\n",
                b"\n",
                b"Content-Type: ",
                b"multipart/mixed; boundary=a",
                b"message/rfc822",
                b"x",
                b"\xff",
                b":",
            ]
        )
    )
)
def test_no_message_raises(pieces: list[bytes]) -> None:
    raw = b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" + b"".join(pieces)
    for part in parse(raw).walk():
        assert 0 <= part.start <= part.end <= len(raw)
        decode_part(raw, part, 100)

"""Parameters, types and boundaries as real software gets them wrong, and as hostile software does."""

import pytest

from routerd.message.encoded_words import decode_header
from routerd.message.parameters import parse_value
from routerd.message.view import MessageView


@pytest.mark.parametrize(
    ("value", "name", "text"),
    [
        pytest.param(b"a; filename*0*=UTF-8''%C5%82a; filename*1=%20b; filename*2*=%20c", "filename", "ła%20b c",
                     id="only sections with a star are encoded"),
        pytest.param(b"a; filename*=\"utf-8''%C5%82\"", "filename", "ł", id="extended in quotes"),
        pytest.param(b"a; filename*=%C5%82.pdf", "filename", "ł.pdf", id="extended without a charset"),
        pytest.param(b'a; filename*0="=?utf-8?Q?=C5"; filename*1="=82?="', "filename", "ł",
                     id="an encoded word over two sections"),
        pytest.param(b"a; name=a b.pdf", "name", "a b.pdf", id="spaces without quotes"),
        pytest.param(b"a; filename*=iso-8859-2''%B3.pdf; filename=l.pdf", "filename", "ł.pdf", id="both forms"),
        pytest.param(b"a; filename*=utf-7''+2AA-", "filename", "\ufffd", id="half of a surrogate pair"),
        pytest.param(b"a; name=\"=?utf-8?q?a=0D=0Ab?=\"", "name", "a b", id="a line break in an encoded word"),
        pytest.param(b"a; filename*=utf-8''a%0D%0Ab%00", "filename", "a  b", id="a line break in an extended value"),
        pytest.param(b'a; boundary="=?x?q?a?="', "boundary", "=?x?q?a?=", id="a boundary is never decoded"),
    ],
)  # fmt: skip
def test_parameters(value: bytes, name: str, text: str) -> None:
    assert parse_value(value).parameters[name] == text


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Type: text/html charset=utf-8", b"Content-Type: text/html, charset=utf-8",
        b"Content-Type: text / html; charset=utf-8", b"Content-Type: TEXT/HTML (a comment); charset=utf-8",
        b'Content-Type: "text/html"; charset=utf-8',
    ],
)  # fmt: skip
def test_a_type_is_known_also_where_its_line_is_broken(head: bytes) -> None:
    assert MessageView(head + b"\r\n\r\n<p>skar<b>ga</b>").new_text == "skarga"


@pytest.mark.parametrize("encoding", [b"base64; x=y", b'"base64"', b"Base64 (RFC 2045)", b"base64,"])
def test_a_transfer_encoding_is_known_also_where_its_line_is_broken(encoding: bytes) -> None:
    assert MessageView(b"Content-Transfer-Encoding: " + encoding + b"\r\n\r\nc2thcmdh").new_text == "skarga"


@pytest.mark.parametrize(
    "boundary", [b"=?utf-8?q?a?=", "żółw".encode(), "żółw".encode("cp1250"), b"a" * 900, b"a.b*c[d]", b"a b", b"--a"]
)
def test_any_boundary_is_found(boundary: bytes) -> None:
    raw = b'Content-Type: multipart/mixed; boundary="%b"\r\n\r\n--%b\r\n\r\nskarga\r\n--%b--\r\n' % ((boundary,) * 3)
    assert MessageView(raw).new_text == "skarga"


HOSTILE = {
    "a million empty parts": b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--a\n" * 1_000_000,
    "parts within parts, each boundary the start of the next": b"".join(
        b"Content-Type: multipart/mixed; boundary=%b\n\n--%b\n" % (b"a" * n, b"a" * n) for n in range(1, 500)
    ),
    "no closing boundary": b"Content-Type: multipart/mixed; boundary=a\n\n--a\n\n" + b"x\n" * 500_000,
    "a boundary of 5,000 characters": b"Content-Type: multipart/mixed; boundary=%b\n\n--%b\n\nx" % ((b"a" * 5000,) * 2),
    "almost that boundary": b"Content-Type: multipart/mixed; boundary=%b\n\n" % (b"a" * 900)
    + (b"\n--" + b"a" * 899) * 1000,
    "parameters of nothing": b"Content-Type: text/plain" + b";" * 60_000,
    "sections": b"Content-Type: text/plain" + b"; a*0=b" * 3000,
    "quotes": b'Content-Type: text/plain; name="' + b'\\"' * 10_000,
    "comments": b"Content-Type: text/plain" + b"(" * 20_000,
    "folds": b"Subject: " + b"a\r\n " * 100_000,
    "encoded messages": b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n" * 5000,
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_structures_are_read(raw: bytes) -> None:
    """Each in time that grows as its length does."""
    seen = MessageView(raw)
    assert isinstance(seen.new_text + seen.subject, str)
    assert isinstance(seen.kinds, frozenset)
    assert len(seen.attachments) <= 500


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(b"=?utf-7?q?+2AA-?=", "\ufffd", id="half of a surrogate pair"),
        pytest.param(b"=?iso-8859-1?Q?Zg=B3oszenie_szk=F3d_wys=B3ane?=", "Zgłoszenie szkód wysłane",
                     id="Polish under the name of Latin-1"),
        pytest.param(b"=?utf-8?B?8J+Y?= =?utf-8?B?gA==?=", "😀", id="a character over two words"),
        pytest.param(b"=?UTF-8?Q?a?==?UTF-8?Q?b?=", "ab", id="no space between"),
        pytest.param(b"=?utf-8?b?xYI==?= x", "ł x", id="too much padding"),
        pytest.param("=?utf-8?q?ł?=".encode(), "ł", id="raw letters in a word"),
        pytest.param(b"=?windows-1250?q?=B3?= =?utf-8?q?=C5=82?=", "łł", id="two charsets side by side"),
        pytest.param(b"=?utf-8?Q?a\tb?=", "a\tb", id="a tab"),
        pytest.param(b"=?utf-8?X?a?=", "=?utf-8?X?a?=", id="an encoding that is none"),
    ],
)  # fmt: skip
def test_encoded_words(value: bytes, text: str) -> None:
    assert decode_header(value) == text

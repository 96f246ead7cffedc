"""Bytes to text: charsets, encoded words, parameters, HTML."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerd.message.charset import codec_for, decode_text
from routerd.message.encoded_words import decode_base64, decode_header
from routerd.message.html_text import html_to_text, shown_content_ids
from routerd.message.parameters import parse_value


@pytest.mark.parametrize(
    ("encoded", "declared", "text"),
    [
        pytest.param("شكوى".encode("cp1256"), "windows-1256", "شكوى", id="windows-1256"),
        pytest.param("skargę".encode("iso8859-2"), "ISO-8859-2", "skargę", id="iso-8859-2"),
        pytest.param("skargę śńź".encode("cp1250"), "cp-1250", "skargę śńź", id="cp-1250"),
        pytest.param("żółw".encode("cp1250"), "x-cp1250", "żółw", id="x-cp1250"),
        pytest.param("投诉".encode("gbk"), "gb2312", "投诉", id="gb2312 that is gbk"),
        pytest.param("請求".encode("iso2022_jp"), "iso-2022-jp", "請求", id="iso-2022-jp, all ASCII bytes"),
        pytest.param("жалоба".encode("koi8-r"), "koi8-r", "жалоба", id="koi8-r"),
        pytest.param("skargę".encode(), "us-ascii", "skargę", id="says ASCII, is UTF-8"),
        pytest.param("skargę".encode(), "", "skargę", id="says nothing, is UTF-8"),
        pytest.param("café – “x”".encode("cp1252"), "utf-8", "café – “x”", id="says UTF-8, is windows-1252"),
        pytest.param("café – “x”".encode("cp1252"), "iso-8859-1", "café – “x”", id="says Latin-1, is windows-1252"),
        pytest.param("śledź w ątku".encode("cp1250"), "iso-8859-2", "śledź w ątku", id="says ISO 8859-2, is cp1250"),
        pytest.param("café".encode(), "iso-8859-1", "café", id="says Latin-1, is UTF-8"),
        pytest.param("zażółć gęślą".encode(), "iso-8859-2", "zażółć gęślą", id="says ISO 8859-2, is UTF-8"),
        pytest.param("PÓŁKA".encode("iso8859-2"), "iso-8859-2", "PÓŁKA", id="ISO 8859-2 that could be UTF-8"),
        pytest.param("zażółć\xff".encode()[:-1] + b" ok", "utf-8", "zażółć\ufffd ok", id="UTF-8 with damage"),
        pytest.param("ał".encode("utf-16-le"), "utf-16le", "ał", id="utf-16le"),
    ],
)
def test_text_is_read_in_the_charset_it_is_in(encoded: bytes, declared: str, text: str) -> None:
    """The declared charset is believed unless the bytes show that it is a lie."""
    assert decode_text(encoded, declared) == text


@pytest.mark.parametrize(
    "label", ["hex", "zlib", "bz2", "idna", "punycode", "rot13", "base64", "unicode_escape", "utf-8\0x", "x" * 999]
)
def test_only_text_codecs_are_reached(label: str) -> None:
    """A message cannot name a codec that is none of text."""
    assert codec_for(label) is None
    assert decode_text(b"a\\u0041\xc4\x85", label) == "a\\u0041ą"


@given(
    st.binary(),
    st.sampled_from(
        ["", "utf-7", "utf-16", "utf-32", "hz", "iso-2022-kr", "iso-2022-jp", "gb18030", "big5", "johab", "cp720"]
    ),
)
def test_no_bytes_raise(data: bytes, declared: str) -> None:
    """Any bytes in any charset give some text."""
    assert isinstance(decode_text(data, declared), str)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(b"=?utf-8?q?Skarg=C4=85_na?=", "Skargą na", id="quoted"),
        pytest.param(b"=?UTF-8?B?xYHDs2TFug==?=", "Łódź", id="base64"),
        pytest.param(b"=?windows-1256?B?1N/m7A==?=", "شكوى", id="windows-1256"),
        pytest.param(b"=?utf-8?q?a?= =?utf-8?q?b?= c", "ab c", id="space between words goes"),
        pytest.param(b"=?utf-8?q?a?= =?iso-8859-2?q?=B3?=", "ał", id="two charsets"),
        pytest.param(b"=?utf-8?q?=C5?= =?utf-8?q?=81=C3=B3d=C5=BA?=", "Łódź", id="a character split between words"),
        pytest.param(b"=?utf-8?B?xYHD?= =?utf-8?B?s2TFug?=", "Łódź", id="missing padding"),
        pytest.param(b"=?utf-8?B?xYHDs?=\t=?utf-8?B?2TFug==?=", "Łódź", id="base64 cut within a quantum"),
        pytest.param(b"=?us-ascii?q?=C5=81?=", "Ł", id="wrong charset"),
        pytest.param(b"=?x-unheard-of?q?=C5=81?=", "Ł", id="unknown charset"),
        pytest.param(b"=?utf-8*pl?q?=C5=81?=", "Ł", id="with a language"),
        pytest.param(b"=?utf-8?Q?What?_now?=", "What? now", id="raw question mark"),
        pytest.param(b"=?utf-8?q?a b?=", "a b", id="raw space"),
        pytest.param(b"x=?utf-8?q?=C5=81?=y", "xŁy", id="inside a word"),
        pytest.param(b"=?utf-8?q?never ends", "=?utf-8?q?never ends", id="unclosed"),
        pytest.param(b"=?utf-8?q?a=0D=0AX-Assigned-To:_ceo=00?=", "a X-Assigned-To: ceo", id="decodes to CR LF NUL"),
        pytest.param("Łódź".encode(), "Łódź", id="raw UTF-8"),
        pytest.param("café".encode("cp1252"), "café", id="raw windows-1252"),
    ],
)
def test_header_values_are_decoded_also_where_broken(value: bytes, text: str) -> None:
    assert decode_header(value) == text


def test_raw_8bit_goes_by_the_charset_of_the_message() -> None:
    assert decode_header("Łódź".encode("cp1250"), "windows-1250") == "Łódź"


def test_base64_survives_garbage() -> None:
    """Foreign bytes, padding in the middle and none at the end cost nothing else."""
    assert decode_base64(b"YW\r\n!J j\xff") == b"abc"
    assert decode_base64(b"YWI=YWI=") == b"abab"
    assert decode_base64(b"YWI") == b"ab"
    assert decode_base64(b"YWJjZ") == b"abc"
    assert decode_base64(b"====") == b""


@pytest.mark.parametrize(
    ("value", "name", "text"),
    [
        pytest.param(b"attachment; filename=a.pdf", "filename", "a.pdf", id="plain"),
        pytest.param(b'attachment; filename="a;b\\"c.pdf"', "filename", 'a;b"c.pdf', id="quoted"),
        pytest.param(b"attachment; filename*=utf-8''%C5%82.pdf", "filename", "ł.pdf", id="extended"),
        pytest.param(b"attachment; filename*=windows-1250'pl'%B3.pdf", "filename", "ł.pdf", id="extended cp1250"),
        pytest.param(
            b"a; filename*0*=utf-8''%C5; filename*1*=%82; filename*2=.pdf", "filename", "ł.pdf", id="continued"
        ),
        pytest.param(b"a; filename*1=b.pdf; filename*0=a", "filename", "ab.pdf", id="out of order"),
        pytest.param(b"a; name=x; filename=y; filename*=utf-8''z", "filename", "z", id="extended wins"),
        pytest.param(b'a; name="=?utf-8?q?=C5=82.pdf?="', "name", "ł.pdf", id="an encoded word after all"),
        pytest.param(b"a; boundary=x=y", "boundary", "x=y", id="equals sign in the value"),
        pytest.param(b'a; boundary="x', "boundary", "x", id="unclosed quote"),
        pytest.param(b"a;;  ; charset = UTF-8 ; x", "charset", "UTF-8", id="loose spaces and semicolons"),
    ],
)
def test_parameters(value: bytes, name: str, text: str) -> None:
    assert parse_value(value).parameters[name] == text


@given(st.binary())
def test_no_header_value_raises(data: bytes) -> None:
    parse_value(data)
    parse_value(b"a;" + data)
    text = decode_header(data)
    assert not {"\r", "\n", "\0"} & set(text)


@pytest.mark.parametrize(
    ("html", "text"),
    [
        pytest.param("skar<b>ga</b>", "skarga", id="inline tags do not split"),
        pytest.param("<p>a</p><div><p>b</div>c<br>d<br><br>e", "a\nb\nc\nd\n\ne", id="blocks break lines"),
        pytest.param("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc", id="cells"),
        pytest.param(
            "<head><title>t</title><style>p{}</style></head><script>x</script>a<!-- c -->", "a", id="unseen elements"
        ),
        pytest.param("a<span style='color:red; DISPLAY : none'>b<i>c</i></span>d", "ad", id="display none"),
        pytest.param("<div hidden>b<div>c</div>d</div>e", "e", id="hidden, nested alike"),
        pytest.param("<div hidden><p>x</div>y", "y", id="hidden with an unclosed element"),
        pytest.param("<p hidden>x<p>y", "y", id="a paragraph ends by the next"),
        pytest.param(
            "<td style='font-size:0px'>x<div style='font-size:13px'>y</div></td>",
            "y",
            id="font size zero, undone inside",
        ),
        pytest.param("<div style='max-height:0;overflow:hidden'>preheader</div>a", "a", id="preheader"),
        pytest.param("<div style='max-height:0.5em'>a</div>", "a", id="small is not nothing"),
        pytest.param("Dru&#380;yna &amp; &lt;b&gt; &nbsp;x", "Drużyna & <b> \xa0x", id="entities"),
        pytest.param("a\n   b\tc", "a b c", id="white space"),
        pytest.param("<pre>a\n  b</pre>", "a\nb", id="preformatted"),
        pytest.param("<noscript><b>a</b></noscript>", "a", id="noscript is seen"),
        pytest.param(
            "a<blockquote type=cite>b<br>c</blockquote>d", "a\n> b\n> c\nd", id="a client's quotation is marked"
        ),
        pytest.param("<blockquote>b</blockquote>", "b", id="a quotation of its own is not"),
        pytest.param("a<b hidden", "a", id="ends within a tag"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_html_is_read_as_a_person_sees_it(html: str, text: str) -> None:
    assert html_to_text(html) == text


@given(st.text(st.sampled_from("<>/!-abp \n\"'=&;#x0hidden") | st.characters()))
def test_no_html_raises(html: str) -> None:
    html_to_text(html)


@pytest.mark.parametrize(
    "piece", ["<div>", "<div hidden>", "<!--", "<b hidden><i hidden></b>", "<a x=1 x=2 ", "</p>", "<pre>\n", "&#"]
)
def test_hostile_html_is_read_to_its_cap(piece: str) -> None:
    """Depth, unclosed tags and comments without end neither hang nor recurse."""
    html_to_text("a " + piece * (100_000 // len(piece)))


def test_content_ids_that_html_shows() -> None:
    assert shown_content_ids('<img src="cid:Logo@x"><img src=cid:b>') == {"logo@x", "b"}

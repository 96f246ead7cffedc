"""HTML of real mail, and of hostile mail, as a person sees it."""

import pytest

from routerd.message.html_style import read_style
from routerd.message.html_text import html_to_text, shown_content_ids


@pytest.mark.parametrize(
    "style",
    [
        "display:none", "DISPLAY : NONE !important", "color:red;display:none;", "visibility:hidden", "opacity:0",
        "opacity: 0.0", "font-size:0", "font-size: 0px !important", "font-size:0.0em", "font-size:1px", "font:0/0 a",
        "max-height:0;overflow:hidden", "height:0px;overflow:hidden", "max-width:0;overflow:hidden;color:#fff",
        "display:block;display:none", "display:none!important;display:block", "display:/**/none", "visibility:collapse",
        "display:none;max-height:0;overflow:hidden;mso-hide:all;font-size:1px;line-height:1px;opacity:0",
    ],
)  # fmt: skip
def test_hidden_text_is_not_read(style: str) -> None:
    """What preheaders are made of, in any element."""
    for tag in ("div", "span", "td", "p", "a"):
        assert html_to_text(f"a <{tag} style='{style}'>x <b>y</b></{tag}>b").split() == ["a", "b"]


@pytest.mark.parametrize(
    "style",
    [
        "display:block", "display:none;display:block", "max-height:0", "height:0", "overflow:hidden", "opacity:0.5",
        "opacity:01", "font-size:10px", "font-size:0.8em", "font-size:small", "font:400 13px/1 Arial", "mso-hide:all",
        "background:none", "text-decoration:none", "border:0;margin:0;padding:0;overflow:hidden", "line-height:0",
        "max-height:0.5em;overflow:hidden", "visibility:visible", "display", "display:", ":none", ";;;",
        "/* display:none",
        "-x-display:none", "font-family:none", "width:100%;overflow:hidden",
    ],
)  # fmt: skip
def test_visible_text_is_read(style: str) -> None:
    """`mso-hide` hides from one client only: what stands in it is there for all others."""
    assert html_to_text(f"<div style='{style}'>x</div>") == "x"


@pytest.mark.parametrize(
    ("html", "text"),
    [
        pytest.param(
            "<p style='font-size:0'>x<b style='font-size:1em'>y</b><i style='font-size:12px'>z</i>",
            "z",
            id="a relative size of nothing is nothing",
        ),
        pytest.param(
            "<div style='visibility:hidden'>x<b style='visibility:visible'>y</b></div>", "y", id="made visible"
        ),
        pytest.param(
            "<div style='display:none'>x<b style='display:block;visibility:visible;font-size:9px'>y</b></div>a",
            "a",
            id="nothing in what is not displayed is",
        ),
        pytest.param("<tr hidden><td>a<tr><td>b", "b", id="a row ends by the next"),
        pytest.param("<td style='display:none'>a<td>b", "b", id="a cell ends by the next"),
        pytest.param("<th hidden><p>a<td>b", "b", id="a head cell ends by a cell"),
        pytest.param("<tr><td hidden>a</tr>b", "b", id="a cell ends with its row"),
        pytest.param("<table><tr><td hidden>a</table>b", "b", id="a cell ends with its table"),
        pytest.param("<ul><li hidden>a<li>b</ul>", "b", id="an item ends by the next"),
        pytest.param("<ul><li hidden>a<ul><li>aa</ul>x<li>b</ul>", "b", id="but not by one inside it"),
        pytest.param("<td hidden>a<table><tr><td>aa</td></tr></table>x</td><td>b</td>", "b", id="nor a cell"),
        pytest.param("<div hidden>a</table></ul></tr>b</div>c", "c", id="ends of nothing end nothing"),
        pytest.param("<dl><dt hidden>a<dd>b<dt>c", "b\nc", id="a term ends by its definition"),
        pytest.param("<p hidden><span style='font-size:0'>x<p>y", "y", id="a paragraph with more in it ends, too"),
        pytest.param("<svg><text>no</text></svg>a", "a", id="a drawing"),
        pytest.param("<svg><style>p{}</style><p>after", "after", id="a drawing that markup ends"),
        pytest.param("<math><div>after", "after", id="a formula that markup ends"),
        pytest.param("<svg/>a<svg><g/><path/></svg>b", "ab", id="an empty drawing"),
        pytest.param("<div hidden/>a", "", id="only drawings can be closed at once"),
        pytest.param(
            "<video>see it <a>here</a></video> <object>b</object>",
            "see it here b",
            id="what clients without players show",
        ),
        pytest.param(
            "<!--[if mso]><p>no</p><![endif]--><!--[if !mso]><!--><p>yes</p><!--<![endif]--><![if !mso]>b<![endif]>",
            "yes\nb",
            id="conditional comments as all but one client read them",
        ),
        pytest.param("<!-- a -- b --!><!--> c --> d<!---> e", "c --> d e", id="comments as browsers end them"),
        pytest.param("a<!-- never ends <p>b", "a", id="a comment without an end"),
        pytest.param("a<title>never ends <p>b", "a", id="a title without an end"),
        pytest.param("<![CDATA[ x ]]>y", "y", id="CDATA is a comment"),
        pytest.param("<?xml version='1.0'?><!DOCTYPE html><HTML><BODY>A<BR/>B", "A\nB", id="upper case, a declaration"),
        pytest.param("<a title='x>y' href=\"z>w\" alt='>'>link</a>", "link", id="brackets in attributes"),
        pytest.param("<img alt='a logo' src=x>b", "b", id="an alternative text is not what somebody wrote"),
        pytest.param(
            "a<o:p>&nbsp;</o:p><o:p>b</o:p><st1:city w:st=on>Łódź</st1:city>", "a\xa0bŁódź", id="Office's own"
        ),
        pytest.param(
            "ska<wbr>rga ska<!-- -->rga ska<span></span>rga ska<a name=x></a>rga ska<font>r</font>ga",
            "skarga skarga skarga skarga skarga",
            id="nothing inline splits a word",
        ),
        pytest.param(
            "&#0;&#x110000;&#xD800;&#99999999999;&#128;&#150;&bogus;&ltb",
            "\ufffd\ufffd\ufffd\ufffd€–&bogus;<b",
            id="entities out of range",
        ),
        pytest.param(
            "a<span style='display:block'>b</span>c<a style='display: inline-block'>d</a>e",
            "a\nb\nc d e",
            id="blocks and boxes by style",
        ),
        pytest.param("<button>a</button><button>b</button>", "a b", id="buttons are apart"),
        pytest.param(
            "<div style='white-space:pre-wrap'>a\n&gt; b\n\nc<span style='white-space:normal'>d\ne</span></div>f",
            "a\n> b\n\ncd e\nf",
            id="lines kept by style",
        ),
        pytest.param("<pre>\na\n\n\n b<b>c\nd</b></pre>e", "a\n\nbc\nd\ne", id="lines kept in pre"),
        pytest.param("<xmp>a\n<b>b</xmp>c<plaintext>d\n<i>e", "a\n<b>b\nc\nd\n<i>e", id="plain text in HTML"),
        pytest.param("<textarea>t\n<b>x</textarea>d", "t\n<b>x d", id="a form's text"),
        pytest.param("<noscript><style>x</style><p>y</p></noscript>z", "y\nz", id="noscript"),
        pytest.param(
            "<template>no</template><iframe>no</iframe><select><option>no</select>a", "a", id="not seen in mail"
        ),
        pytest.param("ska\0rga<scr\0ipt>x</script>", "skargax", id="NUL is nothing in text, but not in a name"),
        pytest.param("a<span class=yahoo_quoted>b</span>c", "a\n> b\nc", id="a quotation that is no block"),
        pytest.param("</p></div></b>a</span>b", "ab", id="ends of nothing"),
        pytest.param("a < b <3 <> & c", "a < b <3 <> & c", id="brackets that are none"),
    ],
)
def test_html_is_read_as_clients_show_it(html: str, text: str) -> None:
    assert html_to_text(html) == text


@pytest.mark.parametrize(
    "piece",
    [
        "<div style='font-size:0'><p style='font-size:9px'>", "<td hidden><b style='font-size:0'><table>", "<svg><p>",
        "<li hidden><ul>", "<tr hidden><td>", "</table></td></tr>", "<p style='/*/*/*/*/*",
        "<b style='display:/**/none'>",
        "<span style='display:block'>", "<noscript>", "<math><svg>", "<pre>\n\n", "<p hidden><li hidden>", "<xmp>",
        "<p style='" + "/*" * 900 + "'>", "<p style='" + ";" * 1900 + "'>", "<p style='" + "font:0 " * 250 + "'>",
    ],
)  # fmt: skip
def test_hostile_html_is_read_to_its_cap(piece: str) -> None:
    """Linear in the text: what looks back looks back a few elements."""
    html_to_text("a " + piece * (100_000 // len(piece)))


def test_styles_that_change_nothing_are_none() -> None:
    for style in ("", "color:red", "font-family:Arial;margin:0", "mso-style-priority:99;text-decoration:none"):
        assert read_style(style) is None


def test_pictures_are_shown_by_encoded_addresses_too() -> None:
    """RFC 2392: the address is percent-encoded; in HTML it may have entities."""
    html = "<img src='cid:a%40b'><td background=cid:c&amp;d><p style=\"background:url('cid:e')\"><img src='cid:<f@x>'>"
    assert shown_content_ids(html) >= {"a@b", "c&d", "e"}

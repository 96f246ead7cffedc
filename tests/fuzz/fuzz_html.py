"""HTML of any kind → text: never raises, hides what is hidden, takes time in proportion to its length."""

import random
import sys

from harness import run
from pieces import join, spoil, text_bytes

from routerd.message.html_text import html_to_text, shown_content_ids

SLOW_MS = 300.0  # for the 100 KB that `make` gives at most

_MOST_BYTES = 100_000
_TAGS = (
    "a", "b", "br", "p", "div", "span", "td", "th", "tr", "table", "tbody", "ul", "ol", "li", "dl", "dt", "dd", "pre",
    "xmp", "textarea", "noscript", "script", "style", "title", "svg", "math", "template", "select", "option", "iframe",
    "blockquote", "font", "o:p", "img", "hr", "body", "html", "head", "plaintext", "button", "center", "P", "DIV",
)  # fmt: skip
_ATTRIBUTES = (
    "", " hidden", " style='display:none'", ' style="font-size:0"', " style='font-size:12px'",
    " style=visibility:hidden",
    " style='visibility:visible'", " style='display:block'", " style='white-space:pre'", " style='/*", " type=cite",
    " class=gmail_quote", " class='yahoo_quoted x'", " title='a>b'", " src=cid:a%40b", " x" * 20, ' y="', " /", " =",
    " style='max-height:0;overflow:hidden;opacity:0'",
)  # fmt: skip
_MARKUP = (
    b"<!--", b"-->", b"<!-->", b"<![if !mso]>", b"<!--[if mso]>", b"<![endif]-->", b"<![CDATA[", b"]]>", b"<?x", b"<!",
    b"<", b">", b"</", b"&nbsp;", b"&#0;", b"&#xD800;", b"&#99999999999;", b"&zwnj;", b"&", b"\0", b"\r\n", b"\t",
    b"'", b'"',
    b"cid:x", b"visible", b"ska", b"rga",
)  # fmt: skip


def make(source: random.Random) -> bytes:
    pieces = [*_MARKUP, text_bytes(source)]
    for _ in range(source.randrange(1, 12)):
        tag = source.choice(_TAGS)
        pieces.append(f"<{tag}{source.choice(_ATTRIBUTES)}>".encode())
        pieces.append(f"</{tag}>".encode())
    return spoil(source, join(source, pieces, source.choice((5, 30, 300))))[:_MOST_BYTES]


def target(data: bytes) -> None:
    html = data.decode("utf-8", "replace")
    text = html_to_text(html)
    text.encode("utf-8")  # no half of a surrogate pair
    if len(text) > 2 * len(html) + 2:
        raise AssertionError(f"{len(text)} characters out of {len(html)}")
    if html_to_text(html) != text:
        raise AssertionError("read twice, it differs")
    if "<" not in html and "&" not in html and "".join(text.split()) != "".join(html.replace("\0", "").split()):
        raise AssertionError("text without markup is not what it was")
    plain = "x" + html.replace("<", "").replace("&", "").replace("\0", "")
    if html_to_text(f"<div hidden>{plain}</div>") or html_to_text(f"<p style='display:none'>{plain}"):
        raise AssertionError("hidden text is seen")
    shown_content_ids(html)


if __name__ == "__main__":
    sys.exit(run(target, make, slow_ms=SLOW_MS))

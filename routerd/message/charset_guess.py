"""In which 8-bit charset text is that declares none, or one that it is not in.

By the letters that a language has most of. Windows-1252 unless there is better evidence: a wrong guess costs more than
none. Linear in a sample of bounded length.
"""

import re

_WESTERN = "cp1252"
_SAMPLE = 16_384
_MIN_HIGH = 6
_MIN_SHARE = 0.4

_ASCII = bytes(range(0x80))
_LONG_RUN = re.compile(rb"[\x80-\xff]{3,}")  # words of a script that is not Latin
_OFTEN = {  # a script's most frequent letters make half of its text, and little of what another charset makes of it
    codec: "".join(letters).encode(codec)
    for codec, letters in (
        ("cp1256", "اليمونرتبة"),
        ("iso8859_6", "اليمونرتبة"),
        ("cp1251", "оеаинтсрвл"),
        ("koi8-r", "оеаинтсрвл"),
        ("cp1253", "αοιετσνηυρ"),
        ("cp1255", "יוהלארתבשמ"),
    )
}

# Inside a word windows-1252 has signs there: ³ in `spó³ka`, ¹ in `zwi¹zek`, ¶ in `pro¶ba`.
_LETTER = rb"A-Za-z\xc0-\xff"
_INSIDE = {
    codec: re.compile(b"(?<=[%b])[%b](?=[%b])" % (_LETTER, signs, _LETTER))
    for codec, signs in (
        ("cp1250", rb"\x8c\x8f\x9c\x9f\xa3\xa5\xb9\xb3\xbf"),
        ("iso8859_2", rb"\xa1\xa3\xa6\xac\xb1\xb3\xb6\xbc\xbf"),
    )
}
_POLISH = {codec: "ąćęłńóśźżĄĆĘŁŃÓŚŹŻ".encode(codec) for codec in ("cp1250", "iso8859_2")}
_PUNCTUATION = "„”“’‘–—…«»§°\xa0".encode("cp1250")
_MIN_INSIDE = 2
_MIN_POLISH = 0.9


def likely_codec(data: bytes) -> str:
    """Python's codec for `data`, which is 8-bit text and not UTF-8."""
    sample = data[:_SAMPLE]
    high = sample.translate(None, _ASCII)
    if len(high) >= _MIN_HIGH and 2 * sum(map(len, _LONG_RUN.findall(sample))) > len(high):
        shares = {codec: _count(high, often) / len(high) for codec, often in _OFTEN.items()}
        best = max(shares, key=shares.__getitem__)
        return best if shares[best] >= _MIN_SHARE else _WESTERN
    letters = {codec: _count(high, of) for codec, of in _POLISH.items()}
    best = max(letters, key=letters.__getitem__)
    if len(_INSIDE[best].findall(sample)) < _MIN_INSIDE:
        return _WESTERN
    return best if _count(high, _POLISH[best] + _PUNCTUATION) >= _MIN_POLISH * len(high) else _WESTERN


def _count(high: bytes, of: bytes) -> int:
    return len(high) - len(high.translate(None, of))

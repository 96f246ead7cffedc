"""Bytes of mail → text: charsets by an allow-list, and what to do where the declared one is unknown or a lie.

Only codecs that decode text in linear time are reachable from a message (never `hex`, `zlib`, `idna`, `punycode`).
"""

import re

from routerd.message.charset_guess import likely_codec

_FALLBACK = "cp1252"  # WHATWG Encoding: what software that declares nothing, or Latin-1, mostly writes
_NOT_IN_KEYS = re.compile(r"[^a-z0-9]")
_MULTIBYTE_UTF8 = re.compile(rb"[\xc2-\xf4][\x80-\xbf]+")
_C1 = re.compile(rb"[\x80-\x9f]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_ISO_2022_JP = b"\x1b$"
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_MAX_LABEL = 64

# Some Windows charsets fill what their ISO kin leave to control characters: a C1 byte under the ISO name tells.
_WINDOWS_KIN = {
    "iso8859_2": "cp1250", "iso8859_4": "cp1257", "iso8859_6": "cp1256", "iso8859_7": "cp1253",
    "iso8859_8": "cp1255", "iso8859_9": "cp1254", "iso8859_13": "cp1257",
}  # fmt: skip
_UTF8_PROOF = 3  # sequences that make text declared in another charset UTF-8: `PÓŁKA` in ISO 8859-2 has one by chance


def _labels() -> dict[str, str]:
    """The names under which charsets are declared, reduced to letters and digits → Python's codec."""
    labels = {
        "utf8": "utf-8", "unicode11utf8": "utf-8", "utf8mb4": "utf-8", "utf7": "utf-7", "unicode11utf7": "utf-7",
        "utf16": "utf-16", "utf16le": "utf-16-le", "utf16be": "utf-16-be", "utf32": "utf-32",
        "utf32le": "utf-32-le", "utf32be": "utf-32-be",
        "ascii": "ascii", "usascii": "ascii", "ansix341968": "ascii", "iso646us": "ascii", "646": "ascii",
        "latin1": _FALLBACK, "iso88591": _FALLBACK, "88591": _FALLBACK, "cp819": _FALLBACK, "ansi": _FALLBACK,
        "latin2": "iso8859_2", "latin5": "iso8859_9", "latin9": "iso8859_15", "arabic": "iso8859_6",
        "asmo708": "iso8859_6", "ecma114": "iso8859_6", "ecma118": "iso8859_7", "greek": "iso8859_7",
        "hebrew": "iso8859_8", "iso88598i": "iso8859_8", "iso88598e": "iso8859_8", "iso88596i": "iso8859_6",
        "cyrillic": "iso8859_5", "iso8859": _FALLBACK,
        "koi8r": "koi8-r", "koi8": "koi8-r", "koi8u": "koi8-u", "koi8t": "koi8-t", "ptcp154": "ptcp154",
        "gb2312": "gb18030", "gbk": "gb18030", "gb18030": "gb18030", "cp936": "gb18030", "ms936": "gb18030",
        "xgbk": "gb18030", "gb231280": "gb18030", "chinese": "gb18030", "euccn": "gb18030", "hzgb2312": "hz",
        "big5": "big5hkscs", "big5hkscs": "big5hkscs", "cp950": "cp950", "xxbig5": "big5hkscs",
        "eucjp": "euc_jp", "xeucjp": "euc_jp", "iso2022jp": "iso2022_jp_2", "csiso2022jp": "iso2022_jp_2",
        "iso2022jpms": "iso2022_jp_2", "shiftjis": "cp932", "sjis": "cp932", "xsjis": "cp932", "cp932": "cp932",
        "ms932": "cp932", "windows31j": "cp932", "iso2022kr": "iso2022_kr", "euckr": "cp949", "ksc56011987": "cp949",
        "ksc5601": "cp949", "cp949": "cp949", "korean": "cp949", "uhc": "cp949", "johab": "johab",
        "tis620": "cp874", "windows874": "cp874", "cp874": "cp874", "iso885911": "cp874",
        "macintosh": "mac_roman", "mac": "mac_roman", "macroman": "mac_roman", "xmacce": "mac_latin2",
        "maccentraleurope": "mac_latin2", "xmaccyrillic": "mac_cyrillic", "xmacgreek": "mac_greek",
        "xmacturkish": "mac_turkish", "xmacroman": "mac_roman",
    }  # fmt: skip
    for number in (*range(2, 11), 13, 14, 15, 16):
        for spelling in (f"iso8859{number}", f"8859{number}", f"xiso8859{number}"):
            labels[spelling] = f"iso8859_{number}"
    for number in range(1250, 1259):
        for spelling in ("windows", "cp", "xcp", "win", "ms", "ansi", "xwindows", "microsoftcp", "cswindows", ""):
            labels[f"{spelling}{number}"] = f"cp{number}"
    for number in (437, 720, 737, 775, 850, 852, 855, 857, 858, 860, 861, 862, 863, 864, 865, 866, 869):
        for spelling in ("ibm", "cp", "dos", "oem", "csibm", ""):
            labels[f"{spelling}{number}"] = f"cp{number}"
    return labels


_CODECS = _labels()


def codec_for(label: str) -> str | None:
    """Python's codec for a charset as declared in mail; None where there is none that is safe to use."""
    words = label[: _MAX_LABEL + 1].split()  # `utf-8 (a comment)`, `utf-8 format=flowed`
    if not words or len(words[0]) > _MAX_LABEL or "\0" in words[0]:
        return None
    return _CODECS.get(_NOT_IN_KEYS.sub("", words[0].partition("*")[0].lower()))


def says_nothing(label: str) -> bool:
    """The declared charset explains no 8-bit byte: none, an unknown one, or ASCII."""
    return codec_for(label) in (None, "ascii")


def is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def decode_text(data: bytes, declared: str = "") -> str:
    """`data` as text, by the declared charset where that can be. Never raises; what no charset explains is U+FFFD."""
    codec = codec_for(declared) if declared else None
    if data.isascii() and b"\x1b" not in data:
        if codec is None or not codec.startswith(("utf-7", "utf-16", "utf-32", "hz")):
            return data.decode("ascii")
    elif data[:1] in b"\xef\xff\xfe" and (marked := _by_mark(data)) is not None:
        return marked
    if codec is None or codec in ("ascii", "utf-8"):
        if data.isascii() and _ISO_2022_JP in data:
            return _decode_tolerantly(data, "iso2022_jp_2")
        return _decode_unicode_or_guess(data)
    return _decode_declared(data, codec)


def _by_mark(data: bytes) -> str | None:
    """By its byte order mark, which outweighs what is declared; None where what follows is not in that encoding."""
    for mark, codec in _BOMS:
        if data.startswith(mark):
            if codec == "utf-16" and b"\0" not in data[:200]:
                return None
            try:
                return data.decode(codec)
            except UnicodeError:
                return None
    return None


def _decode_unicode_or_guess(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    tolerant = data.decode("utf-8", "replace")
    bad = tolerant.count("\ufffd")
    if len(_MULTIBYTE_UTF8.findall(data)) > bad:
        return tolerant  # UTF-8, damaged in a few places
    return _decode_tolerantly(data, likely_codec(data))


def _decode_declared(data: bytes, codec: str) -> str:
    if codec.startswith(("cp12", "iso8859", "cp8", "koi8", "mac")):
        if _is_utf8_in_truth(data, codec):
            return data.decode("utf-8")
        if codec == _FALLBACK:
            codec = likely_codec(data)
        elif codec in _WINDOWS_KIN and (_C1.search(data) or not _is_explained(data, codec)):
            codec = _WINDOWS_KIN[codec]
    if codec == "utf-16" and data[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        codec = _utf16_without_mark(data)
    text = _decode_tolerantly(data, codec)
    if codec == "utf-7":  # Python takes halves of pairs for characters
        text = _SURROGATE.sub("\ufffd", text)
    return text


def _is_explained(data: bytes, codec: str) -> bool:
    return "\ufffd" not in data.decode(codec, "replace")


def _utf16_without_mark(data: bytes) -> str:
    """RFC 2781 4.3 says big-endian; a NUL behind nearly each letter of Latin text says otherwise."""
    sample = data[:400]
    return "utf-16-le" if sample[1::2].count(0) > sample[::2].count(0) else "utf-16-be"


def _is_utf8_in_truth(data: bytes, codec: str) -> bool:
    sequences = _MULTIBYTE_UTF8.findall(data)
    if not sequences:
        return False
    if len(sequences) < _UTF8_PROOF and (codec != _FALLBACK or not b"\xc2" <= sequences[0][:1] <= b"\xc5"):
        return False
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _decode_tolerantly(data: bytes, codec: str) -> str:
    try:
        return data.decode(codec, "replace")
    except (UnicodeError, LookupError):  # a codec that this Python lacks, or that refuses even so
        return data.decode("latin-1")

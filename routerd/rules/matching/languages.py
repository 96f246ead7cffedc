"""Which language a text is in. The only door to py3langid, whose model (some 90 MB) is loaded where a rule asks."""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

# What the model knows by its ISO 639-1 code.
_LISTED = (
    "af am an ar as az ba be bg bn br bs ca cs cy da de dz el en eo es et eu fa fi fo fr fy ga gd gl gu ha he hi hr ht"
    " hu hy id ig is it ja jv ka kk km kn ko ku ky la lb lg ln lo lt lv mg mk ml mn mr ms mt my ne nl nn no oc om or"
    " pa pl ps pt qu ro ru rw sa se si sk sl sn so sq sr st sv sw ta te tg th tk tl tr tt ug uk ur uz vi vo wa xh yo zh"
    " zu"
)
CODES = tuple(_LISTED.split())
# What the model tells apart, and rules do not: Egyptian and Moroccan Arabic, Cantonese, …
_VARIANTS = {
    "ary": "ar",
    "arz": "ar",
    "ext": "es",
    "grc": "el",
    "hbo": "he",
    "lij": "it",
    "ltg": "lv",
    "pcm": "en",
    "sdh": "ku",
    "uzs": "uz",
    "vec": "it",
    "wuu": "zh",
    "yue": "zh",
}
_KNOWN = frozenset(CODES)
# What people write where a code is asked for.
OFTEN_MEANT = {
    "arabic": "ar",
    "chinese": "zh",
    "cn": "zh",
    "cz": "cs",
    "czech": "cs",
    "deutsch": "de",
    "dk": "da",
    "english": "en",
    "french": "fr",
    "gb": "en",
    "german": "de",
    "gr": "el",
    "greek": "el",
    "il": "he",
    "jp": "ja",
    "kr": "ko",
    "nb": "no",
    "polish": "pl",
    "polski": "pl",
    "russian": "ru",
    "spanish": "es",
    "turkish": "tr",
    "ua": "uk",
    "us": "en",
}
MAX_CHARACTERS = 600  # of a text that are looked at: more takes longer (these 0.3 ms) and makes the answer no surer
_MAX_WORD = 40
_SURE_ENOUGH = 0.25  # "ok", "Thanks!" and "12345" stay below 0.2, a short sentence reaches 0.3 and mostly 0.9


def load() -> None:
    """Loads the model (0.7 s), so that this does not fall under the first message."""
    _identifier()


def language_of(text: str) -> str | None:
    """The ISO 639-1 code of the text's language, by its beginning; None where it cannot be told. Pure and bounded."""
    words = [word for word in text[:MAX_CHARACTERS].split() if _is_of_language(word)]
    if not words:
        return None
    confidences: dict[str, float] = {}
    for name, confidence in _identifier().rank(" ".join(words)):
        code = _VARIANTS.get(name, name)
        confidences[code] = confidences.get(code, 0.0) + confidence
    best = max(confidences, key=lambda code: confidences[code])
    return best if confidences[best] >= _SURE_ENOUGH and best in _KNOWN else None


def _is_of_language(word: str) -> bool:
    """Numbers, addresses, links and keys are the same in every language. Chinese and Thai have no spaces: one long
    word may be a sentence."""
    if word.isascii() and len(word) > _MAX_WORD:
        return False
    return not any(letter.isdigit() or letter in "@/\\_" for letter in word)


@cache
def _identifier() -> "LanguageIdentifier":
    """It changes nothing of itself while it ranks, so threads may share it."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # noqa: PLC0415 - dear, and mostly not needed

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)

"""The only door to PyStemmer: what the inflected forms of a word have in common, by the word's script and a language.

A language is an ISO 639-1 code; "" stands for none: there a word has itself in common with its other spellings.
"""

import threading
from collections.abc import Callable, Mapping
from functools import cache, lru_cache, partial
from typing import TypeVar

import Stemmer

from routerd.message.fold import fold
from routerd.rules.matching.arabic import has_arabic, without_proclitics

NO_LANGUAGE = ""
DEFAULT_LANGUAGES: tuple[str, ...] = ("en",)
MAX_LANGUAGES = 6  # in Latin script, of one file
# What `lang:` may name: languages in Latin script, and the stemmer of each.
LATIN_LANGUAGES: Mapping[str, str] = {
    "ca": "catalan", "cs": "czech", "da": "danish", "de": "german", "en": "english", "eo": "esperanto",
    "es": "spanish", "et": "estonian", "eu": "basque", "fi": "finnish", "fr": "french", "ga": "irish",
    "hu": "hungarian", "id": "indonesian", "it": "italian", "lt": "lithuanian", "nl": "dutch", "no": "norwegian",
    "pl": "polish", "pt": "portuguese", "ro": "romanian", "sv": "swedish", "tr": "turkish",
}  # fmt: skip
# Words in these scripts are always stemmed so.
LANGUAGE_OF_SCRIPT: Mapping[str, str] = {"arabic": "ar", "cyrillic": "ru", "greek": "el"}
_SCRIPT_OF_LANGUAGE = {language: script for script, language in LANGUAGE_OF_SCRIPT.items()}
_ALGORITHMS = {**LATIN_LANGUAGES, "ar": "arabic", "ru": "russian", "el": "greek"}

_MAX_LETTERS = 60  # of a word that is inflected; what is longer is not language
_KEPT_WORDS = 16_384  # of messages, for each language: its common words, with all their forms
_KEPT_TERMS = 4_096
_SCRIPTS = (
    (0x41, 0x2B0, "latin"), (0x370, 0x400, "greek"), (0x400, 0x530, "cyrillic"), (0x600, 0x700, "arabic"),
    (0x750, 0x780, "arabic"), (0x870, 0x900, "arabic"), (0x1C80, 0x1C90, "cyrillic"), (0x1D00, 0x1DC0, "latin"),
    (0x1E00, 0x1F00, "latin"), (0x1F00, 0x2000, "greek"), (0x2C60, 0x2C80, "latin"), (0x2DE0, 0x2E00, "cyrillic"),
    (0xA640, 0xA6A0, "cyrillic"), (0xA720, 0xA800, "latin"), (0xAB30, 0xAB70, "latin"),
)  # fmt: skip
_WHOLE = "="  # before a word that is no stem: where its letters fold to the same, Arabic words may differ in all stems
_FINAL_HA, _FINAL_YA = "ه", "ي"
_AS_FINAL = {_FINAL_HA: "ة", _FINAL_YA: "ى"}  # what many people type the left one for
_PERSIAN = str.maketrans("یک", "يك")  # keyboards of Arabic's neighbours
_ANY = "any"
T = TypeVar("T")
_of_thread = threading.local()  # a stemmer must not be used by two threads at once


@cache
def silent_arabic() -> Mapping[int, None]:
    """Harakat, tatweel and their kin by code, as `str.translate` wants what is to go."""
    return {code: None for code in range(0x0600, 0x0900) if not fold(chr(code))}


def script_of_language(language: str) -> str:
    """Whose words alone have stems in this language; "" for `NO_LANGUAGE`, where all have."""
    return "latin" if language in LATIN_LANGUAGES else _SCRIPT_OF_LANGUAGE.get(language, "")


def languages_of(word: str, latin: tuple[str, ...]) -> tuple[str, ...]:
    """The languages whose inflection `word` may follow: by its script, and for Latin those of `latin`; () for none."""
    script = script_of(word)
    if script == "latin":
        return latin
    language = LANGUAGE_OF_SCRIPT.get(script)
    return (language,) if language else ()


def whole(folded: str) -> str:
    """What stands for a word that is not stemmed, among stems."""
    return _WHOLE + folded


def unstemmed(folded: str) -> tuple[str, ...]:
    """What stands for a word of a message that is compared as a whole: an Arabic one also without its proclitics."""
    if not has_arabic(folded[:1]):
        return (_WHOLE + folded,)
    return (_WHOLE + folded, *(_WHOLE + form for form in without_proclitics(folded)))


@lru_cache(maxsize=_KEPT_TERMS)
def stems_of(word: str, language: str) -> tuple[str, ...]:
    """The folded stems of a word in lower case and else as written; () where it is not of the language's script.

    Two words of a language are forms of one word where they share a stem. For `NO_LANGUAGE` the folded word.
    """
    return _stems(word, language)


class _Remembered(dict[str, T]):
    """What is made of words; kept until there are too many. Cheaper to ask than what forgets the oldest: mostly the
    time goes into loading it from memory.
    """

    def __init__(self, make: Callable[[str], T]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, word: str) -> T:
        made = self._make(word)
        if len(self) >= _KEPT_WORDS:
            self.clear()
        self[word] = made
        return made


@cache
def stems_in_text(language: str) -> Mapping[str, tuple[str, ...]]:
    """The same of any word of a message, to be looked up: an Arabic one also without its proclitics."""
    return _Remembered(partial(_stems_in_text, language))


def _stems_in_text(language: str, word: str) -> tuple[str, ...]:
    stems = _stems(word, language)
    if not stems or language != LANGUAGE_OF_SCRIPT["arabic"]:
        return stems
    behind = [stem for form in without_proclitics(word.translate(silent_arabic())) for stem in _stems(form, language)]
    return tuple(dict.fromkeys((*stems, *behind, *unstemmed(fold(word)))))


def _stems(word: str, language: str) -> tuple[str, ...]:
    folded = _folded(word)
    if language == NO_LANGUAGE:
        return (folded,) if folded else ()
    if len(folded) > _MAX_LETTERS or not _is_written_in(language, script_of(word)):
        return ()
    stem = _stemmer(language).stemWord
    if language == LANGUAGE_OF_SCRIPT["arabic"]:
        found = [*(_folded(stem(form)) for form in _arabic_spellings(word)), whole(folded)]
    elif word == folded:
        found = [_folded(stem(word))]
    else:
        found = [_folded(stem(word)), _folded(stem(folded))]
    return tuple(dict.fromkeys(filter(None, found)))


def _folded(word: str) -> str:
    """A word in lower case folded."""
    return word if word.isascii() else fold(word)


def _arabic_spellings(word: str) -> tuple[str, ...]:
    """Never the folded word: it would make one of شكوى and شكوك."""
    bare = word.translate(silent_arabic()).translate(_PERSIAN)
    final = _AS_FINAL.get(bare[-1:])
    return (bare, bare[:-1] + final) if final else (bare,)


def _is_written_in(language: str, script: str) -> bool:
    return language in LATIN_LANGUAGES if script == "latin" else language == LANGUAGE_OF_SCRIPT.get(script)


def script_of(word: str) -> str:
    """The one script of a word's letters, when it is folded; "" for others, for several, and for none."""
    if word.isascii():
        return "" if word.isdigit() else "latin"
    return _scripts[word]


def _script_of(word: str) -> str:
    folded = fold(word)
    if folded.isascii():
        return "" if folded.isdigit() else "latin"
    scripts = set(map(_script_of_letter, folded))
    scripts.discard(_ANY)
    return scripts.pop() if len(scripts) == 1 else ""


_scripts = _Remembered(_script_of)


@lru_cache(maxsize=4_096)
def _script_of_letter(letter: str) -> str:
    """`_ANY` for what goes with any script: digits, marks, tatweel, letters that only modify."""
    if not letter.isalpha() or letter == "\u0640" or 0x2B0 <= ord(letter) < 0x300:
        return _ANY
    code = ord(letter)
    return next((script for first, end, script in _SCRIPTS if first <= code < end), "")


def _stemmer(language: str) -> Stemmer.Stemmer:
    stemmers: dict[str, Stemmer.Stemmer] | None = getattr(_of_thread, "stemmers", None)
    if stemmers is None:
        stemmers = _of_thread.stemmers = {}
    if language not in stemmers:
        stemmers[language] = Stemmer.Stemmer(_ALGORITHMS[language], 0)
    return stemmers[language]

"""What stands in a text, asked in the plainest way: every term of every text, every word by itself."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import Stemmer

from routerd.message.fold import fold, fold_exact, nfc_visible, words

STEMMERS = {
    "en": "english",
    "pl": "polish",
    "de": "german",
    "tr": "turkish",
    "ru": "russian",
    "el": "greek",
    "ar": "arabic",
}
SILENT = dict.fromkeys([0x640, *range(0x64B, 0x653)])  # tatweel and harakat
SCRIPTS = {"CYRILLIC": ["ru"], "GREEK": ["el"], "ARABIC": ["ar"]}


def any_text(value: Any, texts: list[str], languages: Sequence[str]) -> bool:
    asked = dict(value) if isinstance(value, dict) else {"contains": value}
    folding = fold_exact if asked.pop("exact", False) else fold
    also = in_a_list(asked.pop("also", []))
    ((operator, terms),) = asked.items()
    if operator == "exists":
        return bool(texts) is terms
    for text in texts:
        compared = folding(text).strip()
        for term in in_a_list(terms):
            if operator == "regex" and regex_fits(term, text):
                return True
            if operator == "stem" and stem_fits(term, text, languages):
                return True
            if operator not in ("regex", "stem") and term_fits(operator, folding(term), compared):
                return True
        if any(term_fits("word", folding(term), compared) for term in also):
            return True
    return False


def in_a_list(terms: Any) -> list[Any]:
    return terms if isinstance(terms, list) else [terms]


def regex_fits(pattern: str, text: str) -> bool:
    """By the standard library, whose ^, \\b, \\d and \\w are the same for these patterns."""
    flags = 0 if pattern.startswith("(?-i)") else re.IGNORECASE
    return re.search(pattern.removeprefix("(?-i)"), nfc_visible(text), flags) is not None


def term_fits(operator: str, term: str, text: str) -> bool:
    if operator == "contains":
        return term in text
    if operator == "equals":
        return term.strip() == text
    if operator == "starts_with":
        return text.startswith(term.strip())
    if operator == "ends_with":
        return text.endswith(term.strip())
    wanted = words(term)
    as_found = forms if any("\u0600" <= word[0] <= "\u06ff" for word in wanted) else lambda word: {word}
    return in_a_row([{word} for word in wanted], [as_found(word) for word in words(text)])


def in_a_row(wanted: list[set[Any]], found: list[set[Any]]) -> bool:
    return any(
        all(wanted[step] & found[start + step] for step in range(len(wanted)))
        for start in range(len(found) - len(wanted) + 1)
    )


def stem_fits(term: str, text: str, languages: Sequence[str]) -> bool:
    wanted = [word_stems(word, languages) | {("as written", fold(word))} for word in as_written(term)]
    found = []
    for word in as_written(text):
        bare = word.translate(SILENT)
        stems = {stem for form in forms(bare) for stem in word_stems(form, languages)}
        found.append(stems | word_stems(word, languages) | {("as written", form) for form in forms(fold(word))})
    return in_a_row(wanted, found)


def as_written(text: str) -> list[str]:
    return [word for word in words(fold_exact(text).lower()) if fold(word)]


def word_stems(word: str, languages: Sequence[str]) -> set[tuple[str, str]]:
    """Language and folded stem: of the word and the folded word; of an Arabic one never folded, but with both ends."""
    scripts = {unicodedata.name(letter).split()[0] for letter in word if letter.isalpha() and letter != "\u0640"}
    if len(scripts) != 1:
        return set()
    (script,) = scripts
    spelled = {word, fold(word)}
    if script == "ARABIC":
        bare = word.translate(SILENT).replace("ی", "ي").replace("ک", "ك")
        spelled = {bare}
        if bare.endswith("ه"):
            spelled.add(bare[:-1] + "ة")
        if bare.endswith("ي"):
            spelled.add(bare[:-1] + "ى")
    return {
        (language, fold(Stemmer.Stemmer(STEMMERS[language]).stemWord(form)))
        for language in (languages if script == "LATIN" else SCRIPTS.get(script, []))
        for form in spelled
    }


def forms(word: str) -> set[str]:
    """An Arabic word with and without [و ف] [ب ك ل] [ال]; لل is ل and ال in one."""
    found = {word}
    if not "\u0600" <= word[0] <= "\u06ff":
        return found
    for conjunction in ("", "و", "ف"):
        for preposition in ("", "ب", "ك", "ل"):
            for article in ("", "ال"):
                proclitics = conjunction + preposition + article
                if word.startswith(proclitics):
                    found.add(word.removeprefix(proclitics))
        if word.startswith(conjunction + "لل"):
            found.add(word.removeprefix(conjunction + "لل"))
    return {form for form in found if len(form) >= 3} | {word}

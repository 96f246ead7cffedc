"""The rules read in the plainest way: rule by rule over the YAML as it stands, nothing compiled, nothing kept."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import Stemmer
from reference_circumstances import CIRCUMSTANCES, circumstance

from routerd.message.fold import fold, fold_exact, nfc_visible, words
from routerd.rules.facts import Facts

RuleText = dict[str, Any]  # {"name": …, "when": {…}, "then": {…}}
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


def decide(
    files: list[list[RuleText]],
    facts: Facts,
    languages: Sequence[str] = ("en",),
    lists: Mapping[str, list[str]] | None = None,
) -> dict[str, Any]:
    """What a decision comes down to, by the numbered sentences of "How rules add up".

    `languages`: `lang:` of every file. `lists`: what the files hold that rules name, path → terms.
    """
    labels: list[str] = []
    matched: list[str] = []
    owner = priority = None
    watch: list[str] = []
    for number, rules in enumerate(files, 1):
        for rule in rules:
            if truth(with_lists(rule["when"], lists or {}), facts, labels, languages) is not True:
                continue
            then = rule["then"]
            matched.append(f"{number}.yaml/{rule['name']}")
            labels += [label for label in then.get("label", []) if label not in labels]
            owner = owner or then.get("assign")
            ranks = ["low", "normal", "high"]
            priority = max((p for p in (priority, then.get("priority")) if p), key=ranks.index, default=None)
            watch += [name for name in then.get("watch", []) if name not in watch]
            if then.get("stop") == "all":
                return result(matched, labels, owner, priority, watch)
            if then.get("stop") is True:
                break
    return result(matched, labels, owner, priority, watch)


def result(matched: list[str], labels: list[str], owner: Any, priority: Any, watch: list[str]) -> dict[str, Any]:
    return {"matched": matched, "labels": labels, "owner": owner, "priority": priority, "watch": watch}


def with_lists(value: Any, lists: Mapping[str, list[str]]) -> Any:
    """The terms of the lists in the place of `{in: …}`."""
    if isinstance(value, dict):
        if list(value) == ["in"]:
            return lists[value["in"]]
        return {key: with_lists(inner, lists) for key, inner in value.items()}
    if isinstance(value, list):
        read = [with_lists(inner, lists) for inner in value]
        return [term for inner in read for term in (inner if isinstance(inner, list) else [inner])]
    return value


def truth(when: dict[str, Any], facts: Facts, labels: list[str], languages: Sequence[str] = ("en",)) -> bool | None:
    """True, False, or None for what cannot be told."""
    return all_of([one_key(key, value, facts, labels, languages) for key, value in when.items()])


def one_key(key: str, value: Any, facts: Facts, labels: list[str], languages: Sequence[str]) -> bool | None:
    if key == "all":
        return all_of([truth(part, facts, labels, languages) for part in value])
    if key == "any":
        return any_of([truth(part, facts, labels, languages) for part in value])
    if key == "not":
        parts = value if isinstance(value, list) else [value]
        return negated(any_of([truth(part, facts, labels, languages) for part in parts]))
    if key == "always":
        return True
    if key in CIRCUMSTANCES:
        return circumstance(key, value, facts)
    if key == "label":
        return any(label in labels for label in value)
    if key == "is":
        return any_of([facts.internal if kind == "internal" else kind in facts.view.kinds for kind in value])
    if key == "from":
        addresses = [mailbox.address for mailbox in facts.view.addresses("from")]
        if isinstance(value, dict):
            forms = in_a_list(value["other_than"])
            return any(not any(address_fits(address, form) for form in forms) for address in addresses)
        return any(address_fits(address, form) for address in addresses for form in value)
    view = facts.view
    texts = {
        "subject": [view.bare_subject],
        "body": [view.new_text],
        "text": [view.bare_subject, view.new_text],
        "everything": [view.bare_subject, view.whole_text],
        "header": list(view.header("x-test")),
    }[key]
    if key == "header":
        value = value["X-Test"]
    return any_text(value, [text for text in texts if fold(text).strip()], languages)


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


def address_fits(address: str, form: str) -> bool:
    domain = address.rpartition("@")[2]
    if form.startswith("."):
        return domain == form[1:] or domain.endswith(form)
    return address == form if "@" in form else domain == form


def all_of(truths: list[bool | None]) -> bool | None:
    return False if False in truths else None if None in truths else True


def any_of(truths: list[bool | None]) -> bool | None:
    return True if True in truths else None if None in truths else False


def negated(truth: bool | None) -> bool | None:
    return None if truth is None else not truth

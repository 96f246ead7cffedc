"""The rules read in the plainest way: rule by rule over the YAML as it stands, nothing compiled, nothing kept."""

from typing import Any

from routerd.message.fold import fold, words
from routerd.rules.facts import Facts

RuleText = dict[str, Any]  # {"name": …, "when": {…}, "then": {…}}


def decide(files: list[list[RuleText]], facts: Facts) -> dict[str, Any]:
    """What a decision comes down to, by the numbered sentences of "How rules add up"."""
    labels: list[str] = []
    matched: list[str] = []
    owner = priority = None
    watch: list[str] = []
    for number, rules in enumerate(files, 1):
        for rule in rules:
            if truth(rule["when"], facts, labels) is not True:
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


def truth(when: dict[str, Any], facts: Facts, labels: list[str]) -> bool | None:
    """True, False, or None for what cannot be told."""
    return all_of([one_key(key, value, facts, labels) for key, value in when.items()])


def one_key(key: str, value: Any, facts: Facts, labels: list[str]) -> bool | None:
    if key == "all":
        return all_of([truth(part, facts, labels) for part in value])
    if key == "any":
        return any_of([truth(part, facts, labels) for part in value])
    if key == "not":
        parts = value if isinstance(value, list) else [value]
        return negated(any_of([truth(part, facts, labels) for part in parts]))
    if key == "always":
        return True
    if key == "label":
        return any(label in labels for label in value)
    if key == "is":
        return any_of([facts.internal if kind == "internal" else kind in facts.view.kinds for kind in value])
    if key == "from":
        return any(address_fits(mailbox.address, form) for mailbox in facts.view.addresses("from") for form in value)
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
    return any_text(value, [fold(text).strip() for text in texts if fold(text).strip()])


def any_text(value: Any, texts: list[str]) -> bool:
    ((operator, terms),) = (value if isinstance(value, dict) else {"contains": value}).items()
    if operator == "exists":
        return bool(texts) is terms
    return any(term_fits(operator, term, text) for text in texts for term in terms)


def term_fits(operator: str, term: str, text: str) -> bool:
    folded = fold(term)
    if operator == "contains":
        return folded in text
    if operator == "equals":
        return folded.strip() == text
    if operator == "starts_with":
        return text.startswith(folded.strip())
    if operator == "ends_with":
        return text.endswith(folded.strip())
    wanted, found = list(words(folded)), [forms(word) for word in words(text)]
    return any(
        all(word in found[start + step] for step, word in enumerate(wanted))
        for start in range(len(found) - len(wanted) + 1)
    )


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

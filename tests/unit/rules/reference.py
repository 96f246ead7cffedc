"""The rules read in the plainest way: rule by rule over the YAML as it stands, nothing compiled, nothing kept."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from reference_addresses import ADDRESS_KEYS, ALIASES, addresses_fit, addresses_of
from reference_circumstances import CIRCUMSTANCES, circumstance
from reference_text import any_text, in_a_list

from routerd.message.fold import fold
from routerd.rules.facts import Facts

File = dict[str, Any]  # {"rules": [{"name": …, "when": {…}, "then": {…}}]}, perhaps with "inbox" and "mode"
RANKS = ["low", "normal", "high"]
HOURS = {"h": 1, "d": 24}


def decide(
    files: Sequence[File],
    facts: Facts,
    languages: Sequence[str] = ("en",),
    lists: Mapping[str, list[str]] | None = None,
) -> dict[str, Any]:
    """What a decision comes down to, by the numbered sentences of how rules add up.

    `languages`: `lang:` of every file. `lists`: what the files hold that rules name, path → lines.
    """
    said: dict[str, Any] = {
        **{part: [] for part in ("matched", "trials", "unknown", "labels", "watch", "headers", "forward", "approve")},
        **dict.fromkeys(("assign", "reassign", "priority", "respond_within", "hold", "reject", "reply", "stopped_by")),
    }
    for number, file in enumerate(files, 1):
        if "inbox" in file and facts.inbox not in [ALIASES.get(inbox, inbox) for inbox in file["inbox"]]:
            continue
        for rule in file["rules"]:
            name = f"{number}.yaml/{rule['name']}"
            holds = truth(with_lists(rule["when"], lists or {}), facts, said["labels"], languages)
            if holds is None:
                said["unknown"].append(name)
            if holds is not True:
                continue
            if "trial" in (rule.get("mode"), file.get("mode")):
                said["trials"].append(name)
                continue
            said["matched"].append(name)
            add(rule["then"], name, said, facts, lists or {})
            if rule["then"].get("stop") == "all":
                said["stopped_by"] = name
                return said
            if rule["then"].get("stop") is True:
                break
    return said


def add(then: dict[str, Any], name: str, said: dict[str, Any], facts: Facts, lists: Mapping[str, list[str]]) -> None:
    """What one rule does, on top of what those above it did."""
    whom = owner_of(then.get("assign"), facts, lists)
    if whom is not None:
        said["assign"] = said["assign"] or (*whom, name)
        if then.get("reassign"):
            said["reassign"] = said["reassign"] or (*whom, name)
    for key, sort in (("label", "labels"), ("watch", "watch"), ("forward", "forward"), ("approve", "approve")):
        said[sort] += [one for one in then.get(key, []) if one not in said[sort]]
    given = [header.lower() for header, _ in said["headers"]]
    said["headers"] += [
        (header, text) for header, text in then.get("header", {}).items() if header.lower() not in given
    ]
    said["priority"] = max((p for p in (said["priority"], then.get("priority")) if p), key=RANKS.index, default=None)
    if "respond_within" in then:
        within = timedelta(hours=int(then["respond_within"][:-1]) * HOURS[then["respond_within"][-1]])
        said["respond_within"] = within if said["respond_within"] is None else min(said["respond_within"], within)
    said["hold"] = said["hold"] or then.get("hold")
    said["reject"] = said["reject"] or then.get("reject")
    if "reply" in then and said["reply"] is None:
        said["reply"] = (then["reply"]["template"], timedelta(hours=int(then["reply"].get("once_per", "24h")[:-1])))


def owner_of(assign: Any, facts: Facts, lists: Mapping[str, list[str]]) -> tuple[str, str | None] | None:
    """Whom to pick from, and how where the rule says so; None: the rule does not assign."""
    if assign is None:
        return None
    if isinstance(assign, str):
        return assign, None
    if "team" in assign:
        return assign["team"], assign.get("pick")
    rows = dict(line.split(",") for line in lists[assign["in"]])
    for address in addresses_of(assign["by"], facts):
        for asked in (address, address.rpartition("@")[2]):
            if asked in rows:
                return rows[asked], None
    return None


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
        return negated(any_of([truth(part, facts, labels, languages) for part in in_a_list(value)]))
    if key == "always":
        return True
    if key in CIRCUMSTANCES:
        return circumstance(key, value, facts)
    if key == "label":
        return any(label in labels for label in value)
    if key == "is":
        return any_of([facts.internal if kind == "internal" else kind in facts.view.kinds for kind in value])
    if key in ADDRESS_KEYS:
        return addresses_fit(key, value, facts)
    if key == "header":
        return all(any_text(asked, texts_of(f"header {name}", facts), languages) for name, asked in value.items())
    return any_text(value, texts_of(key, facts), languages)


def texts_of(key: str, facts: Facts) -> list[str]:
    """The texts in any of which a term may stand; a blank one is not there."""
    view = facts.view
    if key.startswith("header "):
        texts = list(view.header(key.removeprefix("header ").lower()))
    else:
        texts = {
            "subject": [view.bare_subject],
            "body": [view.new_text],
            "text": [view.bare_subject, view.new_text],
            "everything": [view.bare_subject, view.whole_text],
            "from_name": [mailbox.name for mailbox in view.addresses("from")],
        }[key]
    return [text for text in texts if fold(text).strip()]


def all_of(truths: list[bool | None]) -> bool | None:
    return False if False in truths else None if None in truths else True


def any_of(truths: list[bool | None]) -> bool | None:
    return True if True in truths else None if None in truths else False


def negated(truth: bool | None) -> bool | None:
    return None if truth is None else not truth

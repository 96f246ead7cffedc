"""`conversation:` nodes to conditions, and to what a test gives."""

import re
from collections.abc import Collection
from datetime import timedelta

from routerd.config.nearest import quoted
from routerd.config.values import parse_duration
from routerd.config.yaml_source import Mapping, Node, Scalar
from routerd.rules import keys
from routerd.rules.conditions.conversation import ConversationCondition, Owners
from routerd.rules.conditions.numbers import NumberTest
from routerd.rules.conditions.truth import Condition
from routerd.rules.facts import ConversationFacts
from routerd.rules.labels import check_label
from routerd.rules.names import Names, suggestion
from routerd.rules.reading.numbers import read_count_test, read_duration_test
from routerd.rules.reading.reader import Reader

STATES = ("open", "answered", "snoozed", "closed")
_COUNT = re.compile("[0-9]{1,9}")
_NEED_ONE = ("owner", "label", "state", "waiting")


def read_conversation(reader: Reader, names: Names, node: Node) -> Condition | None:
    if not isinstance(node, Mapping):
        reader.refuse(node.mark, "conversation takes a mapping, such as {known: true, owner: finance}")
        return None
    mapping = reader.mapping(node, "conversation")
    if mapping is None:
        return None
    found = dict(
        (key.text, value) for key, value in reader.known_entries(mapping, keys.CONVERSATION_KEYS, "under conversation")
    )
    known = reader.flag(found["known"], "conversation: known") if "known" in found else None
    if known is False:
        _refuse_beside_unknown(reader, mapping)
    condition = ConversationCondition(
        known=known,
        owners=_owners(reader, names, found["owner"]) if "owner" in found else None,
        labels=_labels(reader, found["label"]) if "label" in found else (),
        states=_states(reader, found["state"]) if "state" in found else (),
        messages=_messages(reader, found),
        waiting=read_duration_test(reader, "conversation: waiting", found["waiting"]) if "waiting" in found else None,
    )
    return condition if condition != ConversationCondition() else None


def _refuse_beside_unknown(reader: Reader, mapping: Mapping) -> None:
    for key, _ in mapping.entries:
        if key.text in _NEED_ONE:
            reader.refuse(key.mark, f"{quoted(key.text)} beside `known: false`: what is not known has none")


def _messages(reader: Reader, found: dict[str, Node]) -> NumberTest | None:
    return read_count_test(reader, "conversation: messages", found["messages"]) if "messages" in found else None


def _owners(reader: Reader, names: Names, node: Node) -> Owners | None:
    written: list[str] = []
    members: set[str] = set()
    for scalar in reader.texts(node, "conversation: owner"):
        if scalar.text in names.teams:
            members.update(names.teams[scalar.text])
        elif scalar.text in names.members:
            members.add(scalar.text)
        else:
            meant = suggestion(scalar.text, names.targets)
            reader.refuse(scalar.mark, f"no member or team {quoted(scalar.text)}{meant}")
            continue
        written.append(scalar.text)
    return Owners(tuple(written), frozenset(members)) if written else None


def _labels(reader: Reader, node: Node) -> tuple[str, ...]:
    labels = []
    for scalar in reader.texts(node, "conversation: label"):
        label, wrong = check_label(scalar.text)
        if wrong:
            reader.refuse(scalar.mark, wrong)
        labels.append(label)
    return tuple(labels)


def _states(reader: Reader, node: Node) -> tuple[str, ...]:
    scalars = reader.texts(node, "conversation: state")
    states = [reader.chosen(scalar, STATES, "state of a conversation") for scalar in scalars]
    return tuple(state for state in states if state)


def read_given_conversation(reader: Reader, names: Names, node: Node) -> ConversationFacts | None:
    """What a test says of the conversation: `owner`, and what else is so; else it is open, with one message."""
    mapping = reader.mapping(node, "conversation")
    if mapping is None:
        return None
    found = dict(
        (key.text, value)
        for key, value in reader.known_entries(mapping, keys.GIVEN_CONVERSATION_KEYS, "under conversation")
    )
    if "owner" not in found:
        reader.refuse(mapping.mark, "a conversation has an owner; say who: {owner: jan}")
        return None
    owner = _one_of(reader, found["owner"], names.members, "member")
    team = _one_of(reader, found["team"], names.teams, "team") if "team" in found else None
    states = _states(reader, found["state"]) if "state" in found else STATES[:1]
    messages = _count(reader, found["messages"]) if "messages" in found else 1
    return ConversationFacts(
        owner=owner or "",
        team=team,
        labels=frozenset(_labels(reader, found["label"])) if "label" in found else frozenset(),
        state=next(iter(states), STATES[0]),
        messages=messages,
        waiting=_duration(reader, found["waiting"]) if "waiting" in found else None,
    )


def _one_of(reader: Reader, node: Node, choices: Collection[str], what: str) -> str | None:
    scalar = reader.text(node, f"conversation: {what}")
    return reader.chosen(scalar, choices, what) if scalar else None


def _count(reader: Reader, node: Node) -> int:
    if isinstance(node, Scalar) and _COUNT.fullmatch(node.text):
        return int(node.text)
    reader.refuse(node.mark, "conversation: messages must be a whole number")
    return 1


def _duration(reader: Reader, node: Node) -> timedelta | None:
    scalar = reader.text(node, "conversation: waiting")
    if scalar is None:
        return None
    try:
        return parse_duration(scalar.text)
    except ValueError as error:
        reader.refuse(scalar.mark, str(error))
        return None

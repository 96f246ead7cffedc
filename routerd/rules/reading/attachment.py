"""`attachment:` nodes to conditions."""

import re
from dataclasses import replace
from typing import TypeGuard

from routerd.config.nearest import quoted
from routerd.config.yaml_source import Mapping, Node, Scalar
from routerd.rules import keys
from routerd.rules.conditions.attachment import AttachmentCondition, Types
from routerd.rules.conditions.truth import Condition
from routerd.rules.matching.patterns import Pattern, compile_glob
from routerd.rules.reading.numbers import read_size_test
from routerd.rules.reading.reader import Reader
from routerd.rules.reading.terms import entry_scalars, terms_and_lists
from routerd.rules.reading.text import one_operator, read_text_test

_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+*-]+/[a-z0-9!#$&^_.+*-]+\Z")  # RFC 6838 4.2, with globs
_OTHER_THAN = {**keys.TEXT_OPERATORS, **keys.OTHER_THAN}
_NAME = "attachment: name"
_TYPE = "attachment: type"


def read_attachment(reader: Reader, node: Node) -> Condition | None:
    if not isinstance(node, Mapping):
        reader.refuse(node.mark, "attachment takes a mapping: {name: …, type: [application/pdf], size: {over: 1MB}}")
        return None
    mapping = reader.mapping(node, "attachment")
    if mapping is None:
        return None
    if mapping.get("exists") is not None:
        return _exists(reader, mapping)
    condition = AttachmentCondition()
    for part, value in reader.known_entries(mapping, keys.ATTACHMENT_KEYS, "under attachment"):
        if part.text == "name":
            condition = _with_name(reader, condition, value)
        elif part.text == "type":
            condition = _with_types(reader, condition, value)
        else:
            condition = replace(condition, size=read_size_test(reader, "attachment: size", value))
    return condition if condition != AttachmentCondition() else None


def _exists(reader: Reader, mapping: Mapping) -> Condition | None:
    operator = one_operator(reader, "attachment", mapping, keys.ATTACHMENT_KEYS)
    if operator is None:
        return None
    wanted = reader.flag(operator[1], "attachment: exists")
    return None if wanted is None else AttachmentCondition(exists=wanted)


def _with_name(reader: Reader, condition: AttachmentCondition, node: Node) -> AttachmentCondition:
    """`other_than` compares whole names, as `equals` does."""
    if not _has_others(node):
        return replace(condition, name=read_text_test(reader, _NAME, node))
    others = one_operator(reader, _NAME, node, _OTHER_THAN)
    if others is None:
        return condition
    mark = others[0].mark
    equals = Mapping([(Scalar("equals", mark, plain=True), others[1])], mark)
    return replace(condition, other_name=read_text_test(reader, f"{_NAME} other_than", equals))


def _with_types(reader: Reader, condition: AttachmentCondition, node: Node) -> AttachmentCondition:
    if not _has_others(node):
        return replace(condition, types=_media_types(reader, node))
    others = one_operator(reader, _TYPE, node, _OTHER_THAN)
    return replace(condition, other_types=_media_types(reader, others[1])) if others else condition


def _has_others(node: Node) -> TypeGuard[Mapping]:
    return isinstance(node, Mapping) and node.get("other_than") is not None


def _media_types(reader: Reader, node: Node) -> Types:
    scalars, lists = terms_and_lists(reader, _TYPE, node)
    types: list[tuple[str, Pattern]] = []
    for scalar in (*scalars, *(scalar for file in lists for scalar in entry_scalars(file))):
        lower = scalar.text.strip().lower()
        if _MEDIA_TYPE.match(lower):
            types.append((scalar.text, compile_glob(lower)))
        else:
            reader.refuse(scalar.mark, f"{quoted(scalar.text)} is not a media type, such as application/pdf or image/*")
    return tuple(types)

"""The part of PyYAML that routerd.config.yaml_source uses."""

from collections.abc import Iterator

from . import reader as reader

class Mark:
    line: int
    column: int

class YAMLError(Exception): ...

class MarkedYAMLError(YAMLError):
    context: str | None
    problem: str | None
    context_mark: Mark | None
    problem_mark: Mark | None

class Event:
    start_mark: Mark
    end_mark: Mark

class NodeEvent(Event):
    anchor: str | None

class AliasEvent(NodeEvent): ...

class ScalarEvent(NodeEvent):
    tag: str | None
    implicit: tuple[bool, bool]
    value: str

class CollectionStartEvent(NodeEvent):
    tag: str | None

class SequenceStartEvent(CollectionStartEvent): ...
class MappingStartEvent(CollectionStartEvent): ...
class SequenceEndEvent(Event): ...
class MappingEndEvent(Event): ...
class DocumentStartEvent(Event): ...
class SafeLoader: ...
class CSafeLoader: ...

def parse(stream: str, Loader: type[SafeLoader] | type[CSafeLoader]) -> Iterator[Event]: ...

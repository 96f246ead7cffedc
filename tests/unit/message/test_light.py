"""Values that are made often."""

import pickle
from dataclasses import dataclass, field, fields, replace

import pytest

from routerd.message.light import light


@light
@dataclass(frozen=True, slots=True)
class Sample:
    name: str
    size_bytes: int = 3
    labels: dict[str, str] = field(default_factory=dict, compare=False)
    shown: str = field(init=False)

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("it has a name")
        object.__setattr__(self, "shown", self.name.upper())


@dataclass(frozen=True, slots=True)
class Plain:
    place: str = "here"


@light
@dataclass(frozen=True, slots=True)
class OnPlain(Plain):
    number: int = 0


@light
@dataclass(frozen=True, slots=True, kw_only=True)
class Further(Sample):
    more: bool = False


def test_it_is_made_as_a_dataclass_is() -> None:
    """By place and by name, with its defaults, and none of them shared; what it checks is checked."""
    one, other = Sample("a"), Sample("a", size_bytes=4)
    assert (one.name, one.size_bytes, one.shown, other.size_bytes) == ("a", 3, "A", 4)
    assert one.labels is not other.labels
    assert repr(one) == "Sample(name='a', size_bytes=3, labels={}, shown='A')"
    with pytest.raises(ValueError, match="it has a name"):
        Sample("")
    with pytest.raises(TypeError, match="Sample"):
        Sample()  # type: ignore[call-arg]


def test_it_is_a_value() -> None:
    """It is compared and hashed by its fields, replaced, and the same at the other end of a pipe."""
    assert Sample("a") == Sample("a") != Sample("b")
    assert hash(Sample("a")) == hash(Sample("a"))
    assert replace(Sample("a"), size_bytes=5).size_bytes == 5
    assert pickle.loads(pickle.dumps(Sample("a", 7))) == Sample("a", 7)
    assert [one.name for one in fields(Sample)] == ["name", "size_bytes", "labels", "shown"]


def test_it_has_no_room_for_anything_else() -> None:
    """Its slots stay."""
    assert not hasattr(Sample("a"), "__dict__")


def test_one_may_stand_upon_another() -> None:
    """Also upon one that is not light; with fields that are given by name alone."""
    assert Further("a", more=True) == Further("a", 3, more=True) != Further("a")
    assert OnPlain("there", 1) == OnPlain(number=1, place="there") != OnPlain()

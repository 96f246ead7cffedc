"""Values that are made for every message, at a third of what they would cost."""

from copy import copy
from dataclasses import fields, make_dataclass
from typing import Any, TypeVar

T = TypeVar("T")


def light(cls: type[T]) -> type[T]:
    """Above `@dataclass(frozen=True, slots=True)`: it stays frozen for the type checker, not while it runs.

    A frozen dataclass sets its own fields by a call for each. With the twenty of an Annotation that takes 2 µs, and
    5 % of all that is computed for a message; set plainly, they take a third.
    """
    own = [(field.name, field.type, copy(field)) for field in fields(cls)]  # type: ignore[arg-type]  # a dataclass
    check = getattr(cls, "__post_init__", None)
    plain: Any = make_dataclass(cls.__name__, own, namespace={} if check is None else {"__post_init__": check})
    plain.__init__.__qualname__ = f"{cls.__qualname__}.__init__"
    cls.__init__ = plain.__init__  # type: ignore[method-assign]
    cls.__setattr__ = object.__setattr__  # type: ignore[method-assign]
    cls.__delattr__ = object.__delattr__  # type: ignore[method-assign]
    return cls

"""What every part of `routerd.yaml` is made of."""

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo


class Model(BaseModel):
    """Frozen, and no key that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True)


def keys_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """What the file calls each field: by its alias where the name would be a word of Python's."""
    return {field.alias or name: field for name, field in model.model_fields.items()}

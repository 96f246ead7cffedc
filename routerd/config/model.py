"""What every part of `routerd.yaml` is made of."""

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """Frozen, and no key that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

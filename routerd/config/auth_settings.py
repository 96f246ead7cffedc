"""The keys of `routerd.yaml` that say who wrote a message, and sign what we write."""

import re
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from routerd.config.model import Model
from routerd.config.nearest import quoted
from routerd.config.values import Domain, FilePath, Text

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_SELECTOR = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")


def parse_selector(text: str) -> str:
    """In lower case (RFC 6376 3.1). Raises ValueError."""
    if not _SELECTOR.fullmatch(text.lower()):
        raise ValueError(f"{quoted(text)} is not a selector: letters, digits and hyphens, such as s2026")
    return text.lower()


Selector = Annotated[Text, AfterValidator(parse_selector)]


class DmarcPolicy(StrEnum):
    REPORT = "report"
    HOLD = "hold"
    REJECT = "reject"


class DkimKey(Model):
    domain: Domain = Field(description="domain that signs what is written from it, or from below it")
    selector: Selector = Field(description="name of the key: its record stands at SELECTOR._domainkey.DOMAIN")
    key: FilePath = Field(description="PEM file with the private key, RSA or Ed25519, as `routerd dkim keygen` writes")

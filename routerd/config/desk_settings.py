"""The keys of `routerd.yaml` that say how members see what comes to the desk."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from routerd.config.model import Model
from routerd.config.nearest import quoted
from routerd.config.values import Bool, Text, parse_mail_address
from routerd.message.address import Address

LABEL = "{label}"
MEMBER = "{member}"
MAX_NAME_CHARACTERS = 100

_BRACED = re.compile(r"\{[^{}]*\}")


def parse_mailbox_template(text: str) -> str:
    """An address with `{label}` once before its @. Raises ValueError."""
    local, _, domain = text.rpartition("@")
    if local.count(LABEL) != 1 or LABEL in domain:
        raise ValueError(f"{quoted(text)} needs {LABEL} once before its @, such as ewa+{LABEL}@example.com")
    parse_mail_address(text.replace(LABEL, "x"))
    return text


MailboxTemplate = Annotated[Text, AfterValidator(parse_mailbox_template)]


def parse_sender_name(text: str) -> str:
    """A name in which {member} may stand. Raises ValueError."""
    unknown = next((found for found in _BRACED.findall(text) if found != MEMBER), None)
    if unknown is not None:
        raise ValueError(f"{quoted(unknown)} is not filled in; only {MEMBER} is")
    if "@" in text or len(text) > MAX_NAME_CHARACTERS:
        raise ValueError(f"{quoted(text)} is not a name of at most {MAX_NAME_CHARACTERS} characters without @")
    return text


SenderName = Annotated[Text, AfterValidator(parse_sender_name)]


class Show(Model):
    """For clients that cannot sort by a header."""

    subject_tag: Bool = Field(
        False,
        description="put the labels of a copy on top of its subject, as in [[complaint, urgent]], where that breaks no "
        "signature that the mailbox's server goes by; what this member answers goes out without them",
    )
    mailbox: MailboxTemplate | None = Field(
        None,
        description="where copies with labels go: an address with {label}, such as ewa+{label}@example.com, into which "
        "the first label is filled that an address can hold; others go to `mailbox`",
    )

    def mailbox_for(self, label: str) -> Address | None:
        """The address with `label` in it; None where it cannot hold it, or there is no template."""
        if self.mailbox is None or not label.isascii():
            return None
        try:
            return parse_mail_address(self.mailbox.replace(LABEL, label))
        except ValueError:
            return None

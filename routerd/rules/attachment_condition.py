"""The condition on attachments."""

from dataclasses import dataclass

from routerd.message.view import Attachment
from routerd.rules.decision import Evidence
from routerd.rules.facts import Seen
from routerd.rules.found import shown
from routerd.rules.number_conditions import NumberTest
from routerd.rules.patterns import Pattern
from routerd.rules.text_tests import TextTest
from routerd.rules.truth import Condition, Truth

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class AttachmentCondition(Condition):
    """One attachment meets all that is asked."""

    name: TextTest | None
    types: tuple[tuple[str, Pattern], ...]  # as written, and as a glob
    size: NumberTest | None
    exists: bool | None = None

    @property
    def cost(self) -> int:
        return 8

    def truth(self, seen: Seen) -> Truth:
        if self.exists is not None:
            return Truth.YES if bool(seen.attachments) is self.exists else Truth.NO
        return Truth.NO if self._fitting(seen) is None else Truth.YES

    def _fitting(self, seen: Seen) -> Attachment | None:
        for place, attachment in enumerate(seen.attachments):
            if self.types and not any(glob.fits(attachment.type.lower()) for _, glob in self.types):
                continue
            if self.size is not None and not self.size.holds(attachment.size_bytes):
                continue
            if self.name is None or self.name.holds(seen.texts, f"attachment {place}"):
                return attachment
        return None

    def evidence(self, seen: Seen) -> tuple[Evidence, ...]:
        fitting = self._fitting(seen) if self.exists is None else next(iter(seen.attachments), None)
        return (Evidence("attachment", _shown_attachment(fitting) if fitting else "", self._terms()),)

    def _terms(self) -> str:
        asked = []
        if self.exists is not None:
            asked.append(f"exists {'true' if self.exists else 'false'}")
        if self.name is not None:
            asked.append(f"name {self.name.describe()}")
        if self.types:
            asked.append(f"type {', '.join(written for written, _ in self.types)}")
        if self.size is not None:
            asked.append(f"size {self.size.describe()}")
        return "; ".join(asked)

    def describe(self) -> str:
        return f"attachment {self._terms()}"

    def saw(self, seen: Seen) -> str:
        found = ", ".join(_shown_attachment(attachment) for attachment in seen.attachments[:_SHOWN])
        return f"attachments: {found}" if found else "no attachment"


def _shown_attachment(attachment: Attachment) -> str:
    return shown(f"{attachment.name or 'unnamed'} ({attachment.type}, {attachment.size_bytes} bytes)")

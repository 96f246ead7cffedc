"""The condition on attachments."""

from dataclasses import dataclass

from routerd.message.view import Attachment
from routerd.rules.conditions.numbers import NumberTest, shown_bytes
from routerd.rules.conditions.text_tests import TextTest
from routerd.rules.conditions.truth import Condition, Truth
from routerd.rules.decision import Evidence
from routerd.rules.facts import Seen
from routerd.rules.matching.found import shown
from routerd.rules.matching.patterns import Pattern

_SHOWN = 5

Types = tuple[tuple[str, Pattern], ...]  # media types as written, and as globs


@dataclass(frozen=True, slots=True)
class AttachmentCondition(Condition):
    """One attachment meets all that is asked."""

    name: TextTest | None = None
    types: Types = ()
    size: NumberTest | None = None
    exists: bool | None = None
    other_name: TextTest | None = None  # its name is none of these; without a name it is not other than any
    other_types: Types = ()

    @property
    def cost(self) -> int:
        return 8

    def truth(self, seen: Seen) -> Truth:
        if self.exists is not None:
            return Truth.YES if bool(seen.attachments) is self.exists else Truth.NO
        return Truth.NO if self._fitting(seen) is None else Truth.YES

    def _fitting(self, seen: Seen) -> Attachment | None:
        for place, attachment in enumerate(seen.attachments):
            if self.types and not _is_of(attachment, self.types):
                continue
            if self.other_types and _is_of(attachment, self.other_types):
                continue
            if self.size is not None and not self.size.holds(attachment.size_bytes):
                continue
            if self._has_the_name(seen, f"attachment {place}"):
                return attachment
        return None

    def _has_the_name(self, seen: Seen, field: str) -> bool:
        if self.name is not None and not self.name.holds(seen.texts, field):
            return False
        if self.other_name is None:
            return True
        return bool(seen.texts.parts(field)) and not self.other_name.holds(seen.texts, field)

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
            asked.append(f"type {_listed(self.types)}")
        if self.other_name is not None:
            asked.append(f"name other than: {self.other_name.describe()}")
        if self.other_types:
            asked.append(f"type other than {_listed(self.other_types)}")
        if self.size is not None:
            asked.append(f"size {self.size.describe()}")
        return "; ".join(asked)

    def describe(self) -> str:
        return f"attachment {self._terms()}"

    def saw(self, seen: Seen) -> str:
        found = ", ".join(_shown_attachment(attachment) for attachment in seen.attachments[:_SHOWN])
        return f"attachments: {found}" if found else "no attachment"


def _is_of(attachment: Attachment, types: Types) -> bool:
    return any(glob.fits(attachment.type.lower()) for _, glob in types)


def _listed(types: Types) -> str:
    more = f", … ({len(types)} in all)" if len(types) > _SHOWN else ""
    return ", ".join(shown(written) for written, _ in types[:_SHOWN]) + more


def _shown_attachment(attachment: Attachment) -> str:
    return shown(f"{attachment.name or 'unnamed'} ({attachment.type}, {shown_bytes(attachment.size_bytes)})")

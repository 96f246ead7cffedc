"""What one rule file may do: the entry of `limits_of_rules` that fits it."""

from collections.abc import Iterable
from dataclasses import dataclass

from routerd.config.settings import RuleLimit, Settings
from routerd.rules.matching.patterns import Pattern, compile_glob

BASIC_ACTIONS = frozenset({"assign", "label", "priority", "watch", "respond_within", "stop"})


@dataclass(frozen=True, slots=True)
class FileLimit:
    """None in a field: no limit."""

    entry: str  # the entry's `files`, for messages; "" where limits_of_rules does not stand
    inboxes: frozenset[str] | None  # in lower case
    labels: tuple[tuple[str, Pattern], ...] | None
    targets: tuple[str, ...] | None
    actions: frozenset[str]

    def allows_label(self, label: str) -> bool:
        return self.labels is None or any(glob.fits(label) for _, glob in self.labels)

    def allows_target(self, target: str) -> bool:
        return self.targets is None or target in self.targets

    def allows_action(self, action: str) -> bool:
        return action in BASIC_ACTIONS or action in self.actions or "all" in self.actions

    @property
    def source(self) -> str:
        """How a message names what set this limit."""
        return f"limits_of_rules for {self.entry}"


UNLIMITED = FileLimit("", None, None, None, frozenset())


def limit_of(file: str, settings: Settings) -> FileLimit | None:
    """The first entry that fits; `UNLIMITED` where the key does not stand; None where no entry fits."""
    if settings.limits_of_rules is None:
        return UNLIMITED
    for entry in settings.limits_of_rules:
        if compile_glob(entry.files).fits(file):
            return _limit(entry, settings)
    return None


def _limit(entry: RuleLimit, settings: Settings) -> FileLimit:
    labels = (
        None if entry.labels is None else tuple((glob, compile_glob(glob, not_across="/")) for glob in entry.labels)
    )
    inboxes = None
    if entry.inboxes is not None:
        inboxes = frozenset(_canonical(address.key, settings) for address in entry.inboxes)
    return FileLimit(
        entry=entry.files,
        inboxes=inboxes,
        labels=labels,
        targets=entry.assign,
        actions=frozenset(entry.actions),
    )


def _canonical(address: str, settings: Settings) -> str:
    for name, inbox in settings.inboxes.items():
        if address == name.lower() or address in (alias.key for alias in inbox.aliases):
            return name.lower()
    return address


def shown_globs(labels: Iterable[tuple[str, Pattern]]) -> str:
    return ", ".join(glob for glob, _ in labels)

"""What `check` finds beyond errors: rules that work, and most likely not as they were meant."""

from dataclasses import dataclass

from routerd.config.yaml_source import Mark
from routerd.rules.decision import RuleRef

KINDS = {
    "shadowed": "a rule above always decides first",
    "two-owners": "two rules assign differently, and one message can meet both",
    "never": "nothing can meet the conditions",
    "always-by-not": "a `not` under `any`, which nearly every message meets",
    "short-term": "a `contains` so short that it stands in many words",
    "label-order": "reads a label that only a later rule gives",
    "label-unknown": "reads a label that nothing gives",
    "label-twins": "two labels that differ only by folding",
    "label-own": "gives a label that is routerd's own and says something else",
    "order": "file names whose order surprises",
    "hash": "YAML took what follows a # for a comment",
    "foreign-comma": "a comma of another script inside a list's term",
    "quotes-in-term": "quotation marks that belong to the term",
    "own-domain": "`from` an own domain, which anyone can write",
    "fragile-owner": "a test expects an owner whom a rotation happens to give",
    "unused-list": "a list that no rule reads",
    "untested": "a rule that no test decides",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding; `rules` are those that silence it by `allow`, `witness` a message that shows it, or ""."""

    kind: str  # of KINDS; "certificate", "dkim" and "answers" are some besides the rules
    mark: Mark
    message: str
    rules: tuple[RuleRef, ...] = ()
    witness: str = ""

    def __str__(self) -> str:
        return f"{self.mark}: {self.kind}: {self.message}"

"""All findings of a ruleset, in the order of their places, less those that rules allow."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from errno import ENOENT

from routerd.config.settings import Settings
from routerd.config.yaml_source import LINE_END, Node
from routerd.rules.compile import Compiled
from routerd.rules.decision import RuleRef
from routerd.rules.finding import Finding
from routerd.rules.lint.alone import look_alone
from routerd.rules.lint.always_by_not import find_always_by_not
from routerd.rules.lint.asking import Asked, asked_by
from routerd.rules.lint.effort import Effort, Unseen
from routerd.rules.lint.file_order import find_order
from routerd.rules.lint.hash_sign import find_hashes
from routerd.rules.lint.labels import find_labels
from routerd.rules.lint.never import find_never
from routerd.rules.lint.related import Bearing
from routerd.rules.lint.shadowed import find_shadows, findings_of
from routerd.rules.lint.terms import find_in_terms
from routerd.rules.lint.tested import find_fragile_owners, find_untested
from routerd.rules.lint.two_owners import Known, find_two_owners
from routerd.rules.lint.unused_lists import find_unused_lists
from routerd.rules.lint.witness import Prover
from routerd.rules.lint.written import WrittenRule, read_written
from routerd.rules.reading.list_files import ListFiles
from routerd.rules.trying.cases import CaseResult

MOST_SHOWN = 100  # findings of one kind; who has more mends these first
_STEPS_ALONE = 100_000  # of looking at each rule by itself,
_STEPS_ABOVE = 200_000  # at rules below others,
_STEPS_OF_PAIRS = 150_000  # and at pairs that assign differently


@dataclass(frozen=True, slots=True)
class Findings:
    """`more`: by kind, how many there are at least beyond those that are listed. `unseen`: where looking stopped."""

    listed: tuple[Finding, ...]
    more: Mapping[str, int] = field(default_factory=dict)
    unseen: tuple[Unseen, ...] = ()

    @property
    def count(self) -> int:
        return len(self.listed) + sum(self.more.values())


def find_all(
    compiled: Compiled,
    settings: Settings,
    *,
    folder_label: str = "",
    results: Sequence[CaseResult] = (),
    beside: Iterable[str] = (),
    own_labels: Collection[str] = (),
    strict: bool = False,
) -> Findings:
    """What is found in a ruleset without problems; nothing where it has any.

    `results`: of its tests. `beside`: the paths of the lists that lie in the rules folder. `own_labels`: that
    routerd gives by itself. `strict` adds `untested`.
    """
    ruleset = compiled.ruleset
    if ruleset is None:
        return Findings(())
    named = {*compiled.files, *(case.message.eml for case in compiled.cases if case.message.eml)}
    asked, givers = asked_by(ruleset)
    prover = Prover(ruleset, asked, givers)
    written: list[WrittenRule] = []
    found: list[Finding] = []
    unseen: list[Unseen] = []
    for name, root, rules in read_written(compiled.files, folder_label):
        found += _hashes(compiled.files[name], root, rules)
        written += rules
    lists = _lists_of(compiled.files, folder_label)
    found += [
        *(finding for rule in written for finding in find_in_terms(rule, lists, ruleset.names)),
        *find_labels(written, asked, givers, own_labels),
        *find_always_by_not(written, asked, prover),
        *_of_rules(asked, prover, results, unseen),
        *find_order((file.name for file in ruleset.files), folder_label),
        *find_unused_lists(beside, named, folder_label),
        *find_fragile_owners(results, settings),
        *(find_untested(ruleset, results) if strict else ()),
    ]
    allowed = {rule.ref: rule.allow for file in ruleset.files for rule in file.rules if rule.allow}
    kept = [one for one in dict.fromkeys(found) if not _is_allowed(one, allowed)]
    return _bounded(sorted(kept, key=lambda one: (one.mark, one.kind)), (*unseen, *prover.unseen))


def _hashes(source: bytes, root: Node, rules: tuple[WrittenRule, ...]) -> Iterator[Finding]:
    if b"#" in source:
        yield from find_hashes(root, rules, LINE_END.split(source.decode("utf-8-sig")))


def _lists_of(files: Mapping[str, bytes], folder_label: str) -> ListFiles:
    def read_beside(path: str) -> bytes:
        if path not in files:
            raise FileNotFoundError(ENOENT, "it was not read", path)
        return files[path]

    return ListFiles(read_beside, folder_label)


def _of_rules(
    asked: Sequence[Asked], prover: Prover, results: Sequence[CaseResult], unseen: list[Unseen]
) -> Iterator[Finding]:
    bearing = Bearing(asked)
    alone = look_alone(asked, Effort(_STEPS_ALONE), unseen)
    shadows = find_shadows(asked, alone, bearing, Effort(_STEPS_ABOVE), unseen)
    yield from find_never(asked, alone.never)
    yield from findings_of(shadows, prover)
    known = Known(alone, shadows, bearing, Effort(_STEPS_OF_PAIRS))
    yield from find_two_owners(asked, known, prover, results, unseen)


def _is_allowed(finding: Finding, allowed: Mapping[RuleRef, frozenset[str]]) -> bool:
    return any(finding.kind in allowed.get(rule, ()) for rule in finding.rules)


def _bounded(found: Sequence[Finding], unseen: tuple[Unseen, ...]) -> Findings:
    counted: Counter[str] = Counter()
    listed = []
    for finding in found:
        counted[finding.kind] += 1
        if counted[finding.kind] <= MOST_SHOWN:
            listed.append(finding)
    more = {kind: count - MOST_SHOWN for kind, count in counted.items() if count > MOST_SHOWN}
    return Findings(tuple(listed), more, unseen)

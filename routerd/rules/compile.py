"""Rule files to a ruleset: whole, or not at all."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from routerd.config.settings import Settings
from routerd.config.yaml_source import Mark, Problem
from routerd.message.fold import fold
from routerd.rules.decision import RuleRef
from routerd.rules.limits import limit_of
from routerd.rules.matching.regex_budget import RegexBudget
from routerd.rules.names import names_of
from routerd.rules.reading.cases import Case
from routerd.rules.reading.list_files import ListFiles, ReadBeside, nothing_beside
from routerd.rules.reading.reader import Reader
from routerd.rules.reading.rule_file import read_rule_file
from routerd.rules.ruleset import RuleFile, Ruleset

_REVISION_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Compiled:
    """`ruleset` is None where there is any problem. `cases` are the tests of files that could be read.

    `files`: the rule files and all that they name, path inside the folder → bytes; what the revision is of.
    """

    ruleset: Ruleset | None
    problems: tuple[Problem, ...]
    cases: tuple[Case, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def revision(self) -> str:
        """Of the files, whether they are right or wrong."""
        return revision_of(self.files)


def compile_ruleset(
    files: Mapping[str, bytes],
    settings: Settings,
    *,
    read_beside: ReadBeside = nothing_beside,
    folder_label: str = "",
) -> Compiled:
    """Reads the files in the order of their names by code point; never raises.

    `files` maps names inside the rules folder to their bytes. `read_beside` reads what rules name beside them.
    `folder_label` (such as "rules.d") stands before the names in places, and nowhere else.
    """
    names = names_of(settings)
    fold("ż")  # builds the tables of folding now, not under the first message
    lists = ListFiles(read_beside, folder_label)
    regexes = RegexBudget()
    problems: list[Problem] = []
    read: list[RuleFile] = []
    headers_read: list[tuple[str, Mark]] = []
    cases: list[Case] = []
    for name in sorted(files):
        reader = Reader(lists, regexes)
        label = f"{folder_label.rstrip('/')}/{name}" if folder_label else name
        file, its_cases = read_rule_file(name, label, files[name], names, limit_of(name, settings), reader)
        problems.extend(sorted(reader.problems, key=lambda problem: _place(problem, label)))
        headers_read.extend(reader.headers_read)
        cases.extend(its_cases)
        if file is not None:
            read.append(file)
    problems.extend(_cut_headers(read, headers_read))
    every = {**files, **lists.read}
    ruleset = None if problems else Ruleset(tuple(read), revision_of(every), names)
    return Compiled(ruleset, tuple(problems), tuple(cases), every)


def _place(problem: Problem, label: str) -> tuple[bool, str, int, int]:
    """In the order of the file `label`; what is wrong in lists that it names comes behind."""
    mark = problem.mark
    return mark.file != label, mark.file, mark.line, mark.column


def _cut_headers(files: Iterable[RuleFile], read: Iterable[tuple[str, Mark]]) -> Iterator[Problem]:
    """The conditions that would never see their header: a rule gives it, so that nobody from outside can say it."""
    given: dict[str, RuleRef] = {}
    for file in files:
        for rule in file.rules:
            for name, _ in () if rule.trial else rule.then.headers:
                given.setdefault(name.lower(), rule.ref)
    for name, mark in read:
        ref = given.get(name.lower())
        if ref is not None:
            yield Problem(mark, f"{name} is cut from what comes in, because {ref} gives it; so no rule can see it")


def revision_of(files: Mapping[str, bytes]) -> str:
    """A short hash of names and contents: the same files, the same revision."""
    digest = hashlib.sha256()
    for name in sorted(files):
        for part in (name.encode("utf-8", "surrogateescape"), files[name]):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
    return digest.hexdigest()[:_REVISION_DIGITS]

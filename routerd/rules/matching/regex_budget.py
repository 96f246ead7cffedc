"""The bound on all regexes of a ruleset together."""

from routerd.rules.matching.regex import Regex
from routerd.rules.matching.regex_errors import RegexError

MAX_ALL_PROGRAMS = 10_000_000  # RE2 instructions of all regexes of a ruleset: some 400 MB if all were in use at once


class RegexBudget:
    """What all regexes of a ruleset may come to."""

    __slots__ = ("_left",)

    def __init__(self, steps: int = MAX_ALL_PROGRAMS) -> None:
        self._left = steps

    @property
    def is_spent(self) -> bool:
        return not self._left

    def take_refused(self, error: RegexError) -> None:
        """What is too large takes as long to refuse."""
        self._left = max(0, self._left - error.steps)

    def take(self, regex: Regex) -> Regex:
        """Raises RegexError where it is too much with those taken before."""
        if regex.steps > self._left or self.is_spent:
            self._left = 0
            raise RegexError(
                f"the regexes of all rules are too large together (above {MAX_ALL_PROGRAMS} steps); repeat less, or "
                "ask for words"
            )
        self._left -= regex.steps
        return regex

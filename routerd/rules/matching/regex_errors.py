"""What is wrong with a user's regex, in words."""

from routerd.rules.matching.patterns import MAX_PROGRAM

_IN_WORDS = (
    ("missing )", "a '(' is not closed"),
    ("unexpected )", "a ')' without its '('"),
    ("missing ]", "a '[' is not closed"),
    ("invalid perl operator", "look-around and other '(?' forms are not in RE2"),
    ("invalid named capture", "not a proper group name"),
    ("no argument for repetition", "nothing stands before the repetition"),
    ("bad repetition operator", "a repetition of a repetition"),
    ("invalid repetition size", "a repetition above 1000"),
    ("invalid character class range", "not a range or class of characters"),
    ("trailing \\", "ends in a single backslash"),
    ("pattern too large", "the pattern is too large; make it shorter, or repeat less"),
)


class RegexError(ValueError):
    """What is wrong with a user's pattern, in words; where a place is known it is named.

    `steps`: about how many RE2 instructions it took to find out, where they were many.
    """

    def __init__(self, message: str, steps: int = 0) -> None:
        super().__init__(message)
        self.steps = steps


def misplaced(at: int, what: str = r"\b") -> str:
    return (
        rf"{what} at character {at + 1}: \b may stand only at the start or end of the pattern or of a top-level "
        "alternative, beside a letter or digit; or use `word:`"
    )


def too_large(steps: int) -> str:
    return (
        f"the pattern is too large ({steps} steps of at most {MAX_PROGRAM}); repeat less: each \\w is some 1,450 steps"
    )


def in_words(error: str, pattern: str) -> str:
    kind, _, fragment = error.partition(": ")
    words = next((words for start, words in _IN_WORDS if kind.startswith(start)), None)
    if kind.startswith("invalid escape sequence"):
        words = (
            "back-references are not in RE2"
            if fragment[1:2].isdigit()
            else f"{fragment!r} is not an escape that RE2 knows"
        )
    place = pattern.find(fragment) if fragment and fragment != pattern else -1
    where = f" at character {place + 1}: {fragment[:40]!r}" if place >= 0 else ""
    return (words or kind) + where

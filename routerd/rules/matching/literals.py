"""The only door to ahocorasick_rs: all the literals of a ruleset, looked for in a text at once."""

from collections.abc import Collection

from ahocorasick_rs import BytesAhoCorasick

_CHUNK = 16_384  # bytes of a text that are searched at a time: what is found there is a list in memory
_NOTHING = frozenset[str]()
_MAX_ENDINGS = 8  # literals that end at one place of a text and are searched for: "skarga", "arga", "a"


class Literals:
    """Never changes once made. Time is linear in the text, with no regard to how many literals there are."""

    __slots__ = ("_automaton", "_behind", "_longest_bytes", "_searched")

    def __init__(self, literals: Collection[str]) -> None:
        """None of `literals` may be empty."""
        # Of a tower of literals, each the end of the next, the upper ones would make of a flood of one letter a flood
        # of finds. They stand behind the last that is searched for, and are asked about one by one where it is found.
        self._behind: dict[str, list[str]] = {}
        # In this order what they begin with alike lies together in memory.
        self._searched = sorted(self._low_in_their_towers(literals))
        encoded = list(map(_encoded, self._searched))
        self._longest_bytes = max(map(len, encoded), default=1)
        self._automaton = BytesAhoCorasick(encoded) if encoded else None

    def found_in(self, text: str) -> frozenset[str]:
        """Those that stand in `text`."""
        if self._automaton is None:
            return _NOTHING
        data = _encoded(text)
        if len(data) <= _CHUNK:
            hits = self._automaton.find_matches_as_indexes(data, overlapping=True)
            if not hits:  # as mostly
                return _NOTHING
            numbers = {hit[0] for hit in hits}
        else:
            numbers = self._found_in_chunks(self._automaton, data)
        found = frozenset([self._searched[number] for number in numbers])
        if self._behind:
            found |= {behind for literal in found for behind in self._behind.get(literal, ()) if behind in text}
        return found

    def _found_in_chunks(self, automaton: BytesAhoCorasick, data: bytes) -> set[int]:
        numbers: set[int] = set()
        for start in range(0, len(data), _CHUNK):
            chunk = data[start : start + _CHUNK + self._longest_bytes - 1]
            numbers.update([hit[0] for hit in automaton.find_matches_as_indexes(chunk, overlapping=True)])
        return numbers

    def _low_in_their_towers(self, literals: Collection[str]) -> list[str]:
        searched: list[str] = []
        heights: dict[str, int] = {}  # of the tower that a literal is the top of
        below: dict[str, str] = {}  # the last in the tower that is searched for
        lengths = sorted({len(literal) for literal in literals}, reverse=True)
        for literal in sorted(set(literals), key=lambda literal: (len(literal), literal)):
            endings = (literal[-length:] for length in lengths if length < len(literal))
            ending = next((ending for ending in endings if ending in heights), None)
            heights[literal] = 1 if ending is None else heights[ending] + 1
            if ending is None or heights[literal] <= _MAX_ENDINGS:
                below[literal] = literal
                searched.append(literal)
            else:
                below[literal] = below[ending]
                self._behind.setdefault(below[ending], []).append(literal)
        return searched


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")

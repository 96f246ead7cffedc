"""Text operators of rule files, as values."""

from collections.abc import Callable, Collection
from collections.abc import Mapping as Map

from routerd.config.nearest import quoted
from routerd.config.yaml_source import Mapping, Node, Scalar
from routerd.message.fold import fold, fold_exact, words
from routerd.rules import keys
from routerd.rules.conditions.terms import RegexTerm, StemTerm, Term, Terms, WordTerm
from routerd.rules.conditions.text_tests import (
    Also,
    Contains,
    EndsWith,
    Equals,
    Exact,
    FitsRegex,
    HasStems,
    HasWords,
    IsThere,
    StartsWith,
    TextTest,
    WithAlso,
)
from routerd.rules.matching.phrases import Phrase
from routerd.rules.matching.regex import compile_regex
from routerd.rules.matching.regex_errors import RegexError
from routerd.rules.matching.stemmed import stem_phrase
from routerd.rules.matching.stems import DEFAULT_LANGUAGES, LANGUAGE_OF_SCRIPT, LATIN_LANGUAGES, MAX_LANGUAGES
from routerd.rules.names import suggestion
from routerd.rules.reading.reader import Reader
from routerd.rules.reading.terms import read_terms

_EXAMPLES = {"also": "{stem: skarga, also: skardze}; alone it is `word`", "exact": "{word: IT, exact: true}"}
_OF_TEXTS: Map[str, Callable[[tuple[Terms[Term], ...]], TextTest]] = {
    "contains": Contains,
    "equals": Equals,
    "starts_with": StartsWith,
    "ends_with": EndsWith,
}
# Why `exact` has nothing to say to an operator, and what is right.
_NOT_EXACT = {
    "stem": "stem is there for words in any form; for the words exactly as written use `word` with `exact: true`",
    "regex": "a regex sees the text as written; where case counts begin it with (?-i)",
    "exists": "exists compares nothing; remove it",
}


def read_text_test(reader: Reader, key: str, node: Node) -> TextTest | None:
    """What stands behind a text key: a term, a list of terms, or one operator with its terms."""
    if not isinstance(node, Mapping) or [name.text for name, _ in node.entries] == ["in"]:
        return _TestReader(reader, key, exact=False).read("contains", node)
    operator = None if _is_misplaced(reader, key, node) else _text_operator(reader, key, node)
    if operator is None:
        return None
    name, value = operator
    exact = _is_exact(reader, key, name.text, node)
    also = node.get("also")
    if name.text == "exists" and also is not None:
        reader.refuse(node.key_mark("also"), f"{key}: also lists further words; it says nothing beside exists")
        return None
    tests = _TestReader(reader, key, exact)
    test = tests.read(name.text, value)
    further = tests.also(also) if also is not None else None
    if test is None or (also is not None and further is None):
        return None
    found = WithAlso(test, further) if further else test
    return Exact(found, tuple(tests.compared)) if exact else found


def _text_operator(reader: Reader, key: str, node: Mapping) -> tuple[Scalar, Node] | None:
    return one_operator(reader, key, node, keys.TEXT_OPERATORS, keys.BESIDE_OPERATORS)


def _is_misplaced(reader: Reader, key: str, node: Mapping) -> bool:
    """Whether there is something that has its place elsewhere; it is refused."""
    for name, _ in node.entries:
        if name.text == "in":
            reader.refuse(name.mark, f"{key}: beside `in` an operator is needed: {{contains: {{in: FILE}}, also: …}}")
            return True
        if name.text == "other_than":
            reader.refuse(
                name.mark,
                f"{key}: other_than is for addresses and for an attachment's name and type; "
                f"for what is not there write `not: {{{key}: …}}`",
            )
            return True
    return False


def _is_exact(reader: Reader, key: str, operator: str, node: Mapping) -> bool:
    value = node.get("exact")
    if value is None:
        return False
    wanted = reader.flag(value, f"{key}: exact")
    if wanted and operator in _NOT_EXACT:
        reader.refuse(node.key_mark("exact"), f"{key}: exact beside {operator}: {_NOT_EXACT[operator]}")
        return False
    return bool(wanted)


class _TestReader:
    """Reads the terms of one field's operators."""

    def __init__(self, reader: Reader, key: str, exact: bool) -> None:
        self._reader = reader
        self._key = key
        self._folding = fold_exact if exact else fold
        self._compared_as = " exact" if exact else ""
        self.compared: list[str] = []  # of every term read what it has to find

    def read(self, operator: str, node: Node) -> TextTest | None:
        if operator == "exists":
            wanted = self._reader.flag(node, f"{self._key}: exists")
            return None if wanted is None else IsThere(wanted)
        if operator == "regex":
            regexes = read_regexes(self._reader, self._key, node)
            return FitsRegex(regexes) if regexes else None
        if operator == "word":
            words_of = self._words("word", node)
            return HasWords(words_of) if words_of else None
        if operator == "stem":
            stems = self._stems(node)
            return HasStems(stems) if stems else None
        texts = self._texts(operator, node)
        return _OF_TEXTS[operator](texts) if texts else None

    def also(self, node: Node) -> Also | None:
        found = self._words("also", node)
        return Also(found) if found else None

    def _texts(self, operator: str, node: Node) -> tuple[Terms[Term], ...]:
        what = f"{self._key}: {operator}"
        trims = operator != "contains"

        def read(scalar: Scalar) -> Term | None:
            compared = self._folding(scalar.text)
            if not compared.strip():
                self._reader.refuse(
                    scalar.mark,
                    f"{what}: nothing is left of {quoted(scalar.text)} when marks and invisible characters are gone",
                )
                return None
            return Term(scalar.text, compared.strip() if trims else compared)

        kind = f"text{' trimmed' if trims else ''}{self._compared_as}"
        groups = read_terms(self._reader, what, node, kind, read)
        self.compared += [term.folded for group in groups for term in group.terms]
        return groups

    def _words(self, operator: str, node: Node) -> tuple[Terms[WordTerm], ...]:
        what = f"{self._key}: {operator}"

        def read(scalar: Scalar) -> WordTerm | None:
            found = tuple(words(self._folding(scalar.text)))
            if not found:
                self._reader.refuse(scalar.mark, _no_word(what, scalar))
                return None
            return WordTerm(scalar.text, Phrase(found))

        groups = read_terms(self._reader, what, node, f"words{self._compared_as}", read)
        self.compared += [max(term.phrase.words, key=len) for group in groups for term in group.terms]
        return groups

    def _stems(self, node: Node) -> tuple[Terms[StemTerm], ...]:
        what = f"{self._key}: stem"
        languages = self._reader.languages

        def read(scalar: Scalar) -> StemTerm | None:
            phrase = stem_phrase(scalar.text, languages)
            if not phrase.words:
                self._reader.refuse(scalar.mark, _no_word(what, scalar))
                return None
            return StemTerm(scalar.text, phrase)

        return read_terms(self._reader, what, node, f"stems {' '.join(languages)}", read)


def read_languages(reader: Reader, node: Node) -> tuple[str, ...]:
    """`lang`: what words in Latin script are stemmed by; the default where nothing of it is right."""
    found: dict[str, None] = {}
    for scalar in reader.texts(node, "lang"):
        code = scalar.text.strip().lower()
        script = next((script for script, language in LANGUAGE_OF_SCRIPT.items() if language == code), None)
        if code in LATIN_LANGUAGES:
            found[code] = None
        elif script:
            reader.refuse(
                scalar.mark,
                f"lang: {code} goes by its script and need not be named; remove it ({script} is always stemmed)",
            )
        else:
            by_name = {name: known for known, name in LATIN_LANGUAGES.items()}.get(code)
            meant = f"; did you mean {quoted(by_name)}?" if by_name else suggestion(code, LATIN_LANGUAGES)
            known = "" if meant else f"; known are {', '.join(LATIN_LANGUAGES)}"
            reader.refuse(scalar.mark, f"lang: there is no stemmer for {quoted(scalar.text)}{meant}{known}")
    if len(found) > MAX_LANGUAGES:
        reader.refuse(
            node.mark,
            f"lang: {len(found)} languages, of at most {MAX_LANGUAGES}; each is tried of every word of a message: "
            "keep those that mail comes in, or let another file have its own",
        )
    return tuple(found)[:MAX_LANGUAGES] or DEFAULT_LANGUAGES


def _no_word(what: str, scalar: Scalar) -> str:
    return f"{what}: {quoted(scalar.text)} has no letter or digit; use `contains`"


def read_regexes(reader: Reader, key: str, node: Node) -> tuple[Terms[RegexTerm], ...]:
    def read(scalar: Scalar) -> RegexTerm | None:
        if reader.regexes.is_spent:  # which has been said; reading on would take long
            return None
        try:
            return RegexTerm(scalar.text, reader.regexes.take(compile_regex(scalar.text)))
        except RegexError as error:
            reader.regexes.take_refused(error)
            reader.refuse(scalar.mark, f"regex: {error}")
            return None

    return read_terms(reader, f"{key}: regex", node, "regexes", read)


def _in_braces(*keys_: str) -> str:
    """`{attachment: {name: {contains: …}}}`."""
    return "".join(f"{{{key}: " for key in keys_) + "…" + "}" * len(keys_)


def one_operator(
    reader: Reader, key: str, node: Mapping, known: Map[str, str], beside: Collection[str] = ()
) -> tuple[Scalar, Node] | None:
    """The one operator of a field; `beside` it may stand what is no operator.

    Two are refused with both ways to write what may be meant.
    """
    if not node.entries:
        reader.refuse(node.mark, f"{key} is empty")
        return None
    found = []
    all_known = True
    for name, value in node.entries:
        if name.text in known:
            found.append((name, value))
        elif name.text not in beside:
            all_known = False
            reader.unknown(name, [*known, *beside], f"under {key}")
    if len(found) > 1:
        both = ", ".join(_in_braces(*key.split(": "), name.text) for name, _ in found)
        reader.refuse(
            found[1][0].mark,
            f"two operators on {key}; write `all: [{both}]` for both of them, `any: [{both}]` for either",
        )
        return None
    if not found and all_known:
        name = node.entries[0][0]
        reader.refuse(name.mark, f"{key}: {name.text} stands beside an operator, such as {_EXAMPLES[name.text]}")
    return found[0] if found and all_known else None

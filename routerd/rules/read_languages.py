"""`language:` nodes to conditions."""

from routerd.config.nearest import did_you_mean, quoted
from routerd.config.yaml_source import Node, Scalar
from routerd.rules import languages
from routerd.rules.language_condition import LanguageCondition
from routerd.rules.reading import Reader
from routerd.rules.truth import Condition


def read_languages(reader: Reader, node: Node) -> Condition | None:
    """Loads what tells languages apart, so that the first message need not wait for it."""
    codes = [_code(reader, scalar) for scalar in reader.texts(node, "language")]
    known = tuple(code for code in codes if code)
    if not known:
        return None
    try:
        languages.load()
    except (ImportError, OSError, ValueError, MemoryError) as error:
        reader.refuse(node.mark, f"languages cannot be told apart here: {error}")
        return None
    return LanguageCondition(known)


def _code(reader: Reader, scalar: Scalar) -> str | None:
    code = scalar.text.strip().lower()
    if code in languages.CODES:
        return code
    name = languages.OFTEN_MEANT.get(code) or languages.OFTEN_MEANT.get(code.partition("-")[0])
    subtag = code.partition("-")[0]
    meant = name or (subtag if subtag in languages.CODES else None)
    hint = f"; did you mean {quoted(meant)}?" if meant else did_you_mean(code, languages.OFTEN_MEANT)
    reader.refuse(
        scalar.mark, f"{quoted(scalar.text)} is no language; write ISO 639-1 codes such as en, pl or ar{hint}"
    )
    return None

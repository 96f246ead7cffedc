"""`language:` nodes to conditions."""

from routerd.config.nearest import nearest, quoted
from routerd.config.yaml_source import Node, Scalar
from routerd.rules.conditions.language import LanguageCondition
from routerd.rules.conditions.truth import Condition
from routerd.rules.matching import languages
from routerd.rules.reading.reader import Reader


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
    hint = _did_you_mean(code.partition("-")[0])
    reader.refuse(
        scalar.mark, f"{quoted(scalar.text)} is no language; write ISO 639-1 codes such as en, pl or ar{hint}"
    )
    return None


def _did_you_mean(name: str) -> str:
    """`cz` and `polish` are meant as cs and pl; of `pl-PL` the language alone is."""
    if name in languages.CODES:
        return f"; did you mean {quoted(name)}?"
    meant = nearest(name, languages.OFTEN_MEANT) if len(name) > 2 else name
    code = languages.OFTEN_MEANT.get(meant or "")
    return f"; did you mean {quoted(code)}?" if code else ""

"""What is looked for by words, as SQLite's full text search (FTS5) is asked for it."""

from routerd.message.fold import fold, words

MAX_TERMS = 20
_MAX_CHARACTERS = 1_000


def search_query(text: str) -> str:
    """All words of `text`, folded as rules fold, in one message; in "quotes" one behind the other; invoi* begins so.

    Raises ValueError where there is no word in it.
    """
    terms = []
    for number, part in enumerate(text[:_MAX_CHARACTERS].split('"')):
        if number % 2:
            terms.append(_phrase(part))
        else:
            terms.extend(_phrase(word) for word in part.split())
    terms = [term for term in terms if term][:MAX_TERMS]
    if not terms:
        raise ValueError(f"there is no word to look for in {text[:40]!r}")
    return " AND ".join(terms)


def _phrase(text: str) -> str:
    found = words(fold(text))
    if not found:
        return ""
    return f'"{" ".join(found)}"{"*" if text.endswith("*") else ""}'

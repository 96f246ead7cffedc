"""Where a hit in folded text stands in the message as it was written. Asked only of rules that matched."""

from collections.abc import Callable, Iterator

from routerd.message.fold import display, fold, words
from routerd.rules.matching.arabic import without_proclitics
from routerd.rules.matching.phrases import Phrase, Words
from routerd.rules.matching.stemmed import StemmedText, StemPhrase

MAX_FOUND = 80  # characters of a found text in traces and headers
_CHUNK = 256  # words folded at a time while looking for the place
_NEAR = (60, 300)  # characters on both sides of where it should be

Folding = Callable[[str], str]


def shown(text: str) -> str:
    """A found text as traces show it: short, safe to print, one line."""
    return display(" ".join(text.split()), MAX_FOUND)


def find_text(original: str, term: str, folding: Folding = fold, folded_text: str = "") -> str:
    """The words of `original` in which the folded `term` stands; the term itself where they cannot be told apart.

    It is found sooner with `folded_text`, all of `original` folded.
    """
    if len(folded_text) == len(original) and original.isascii():  # each letter stands where it stood
        at = folded_text.find(term)
        if at >= 0:
            behind = folded_text.find(" ", at + len(term))
            hit = original[folded_text.rfind(" ", 0, at) + 1 : behind if behind >= 0 else len(original)]
            return shown(_trim(hit, term))
    span = len(term.split()) + 1
    for tokens in _chunks(original, span, _share(folded_text, term)):
        folded = folding(" ".join(tokens))
        at = folded.find(term)
        if at < 0:
            continue
        first = folded.count(" ", 0, at)
        hit = " ".join(tokens[first : folded.count(" ", 0, at + len(term)) + 1])
        if term not in folding(hit):  # some token folds to nothing, or to two
            hit = _narrow(tokens, term, folding)
        if hit:
            return shown(_trim(hit, term))
    return shown(term)


def find_phrase(original: str, wanted: Phrase, folding: Folding = fold, folded_text: str = "") -> str:
    """The words of `original` that are the folded phrase, with their proclitics.

    They are found sooner with `folded_text`, all of `original` folded.
    """
    phrase = wanted.words
    # Between spaces it is mostly meant, not a piece of a longer word.
    share = _share(folded_text, wanted.joined) or _share(folded_text, wanted.joined.strip())
    if share is None:
        share = _share(folded_text, phrase[wanted.longest])
    for tokens in _chunks(original, len(phrase) + 1, share):
        folded = folding(" ".join(tokens)).split(" ")
        if len(folded) == len(tokens):
            near = [place for place, token in enumerate(folded) if phrase[0] in token]
            found = (_phrase_from(place, folded, phrase) for place in near)
        elif Words(" ".join(folded)).has(wanted):  # some token folds to nothing, or to two
            folded = [folding(token) for token in tokens]
            found = (_phrase_from(place, folded, phrase) for place in range(len(folded)))
        else:
            continue
        for first, behind in filter(None, found):
            return shown(_trim(" ".join(tokens[first:behind]), " ".join(phrase)))
    return shown(" ".join(phrase))


def find_stems(text: StemmedText, wanted: StemPhrase, place: int) -> str | None:
    """The words of the text, from that at `place`, that are forms of the phrase's; None: they cannot be told apart."""
    found = text.find(wanted, place)
    return None if found is None else shown(_trim(found, "\0"))


def _phrase_from(place: int, folded: list[str], phrase: tuple[str, ...]) -> tuple[int, int] | None:
    """The tokens, from and to behind, that are the phrase, if it begins in the token at `place`."""
    spelled = [(word, place) for word in words(folded[place])]
    own, behind = len(spelled), place + 1
    while behind < len(folded) and len(spelled) < own + len(phrase):
        spelled += [(word, behind) for word in words(folded[behind])]
        behind += 1
    for start in range(min(own, len(spelled) - len(phrase) + 1)):
        if all(_is_form(spelled[start + step][0], word) for step, word in enumerate(phrase)):
            return place, spelled[start + len(phrase) - 1][1] + 1
    return None


def _is_form(word: str, wanted: str) -> bool:
    return word == wanted or wanted in without_proclitics(word)


def _share(folded_text: str, term: str) -> float | None:
    """How much of the text stands before the term, about."""
    at = folded_text.find(term)
    return at / len(folded_text) if at >= 0 and folded_text else None


def _chunks(original: str, overlap: int, share: float | None = None) -> Iterator[list[str]]:
    """All tokens, piece by piece; before them those that stand behind about that share of the text."""
    middle = int(len(original) * (share or 0))
    for near in _NEAR if share is not None and len(original) > _NEAR[0] else ():  # else all of it is near
        yield original[max(0, middle - near) : middle + near].split()[1:-1]
    tokens = original.split()
    for start in range(0, len(tokens), _CHUNK):
        yield tokens[start : start + _CHUNK + overlap]


def _narrow(tokens: list[str], term: str, folding: Folding) -> str:
    """The shortest run of tokens that still has the term: cut from the end, then from the start."""
    last = _least(len(tokens), lambda count: term in folding(" ".join(tokens[:count])))
    cut = _least(last, lambda count: term in folding(" ".join(tokens[last - count : last])))
    return " ".join(tokens[last - cut : last])


def _least(most: int, holds: Callable[[int], bool]) -> int:
    """The least count up to `most` for which `holds`; it holds for `most`, and for all above the least."""
    low, high = 0, most
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return high


def _trim(found: str, term: str) -> str:
    """Without the punctuation around it that the term does not ask for."""
    start, end = 0, len(found)
    while start < end and not found[start].isalnum() and not term.startswith(fold(found[start]) or "\0"):
        start += 1
    while end > start and not _is_word_end(found[end - 1]) and not term.endswith(fold(found[end - 1]) or "\0"):
        end -= 1
    return found[start:end] or found


def _is_word_end(letter: str) -> bool:
    return letter.isalnum() or words("a" + letter) != ["a"]

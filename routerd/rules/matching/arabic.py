"""Arabic words without what is written onto their front: and, so, in, as, for, the."""

_CONJUNCTIONS = ("و", "ف")
_PREPOSITIONS = ("ب", "ك", "ل")
_ARTICLE = "ال"
_FOR_THE = "لل"  # ل before ال: the alef is not written
_LEAST_LETTERS = 3
LAST_OF_PROCLITICS = frozenset((*_CONJUNCTIONS, *_PREPOSITIONS, _ARTICLE[-1]))


def has_arabic(folded: str) -> bool:
    return any("\u0600" <= letter <= "\u06ff" for letter in folded)


def without_proclitics(word: str) -> tuple[str, ...]:
    """What a folded word can be without its proclitics and their joins, where at least three letters remain."""
    if not "\u0600" <= word[:1] <= "\u06ff" or len(word) <= _LEAST_LETTERS:
        return ()
    stems = [word]
    if word.startswith(_CONJUNCTIONS):
        stems.append(word[1:])
    for stem in tuple(stems):
        if stem.startswith(_FOR_THE):
            stems.append(stem[2:])
        if stem.startswith(_PREPOSITIONS):
            stems.append(stem[1:])
    stems.extend(stem[2:] for stem in tuple(stems) if stem.startswith(_ARTICLE))
    return tuple(dict.fromkeys(stem for stem in stems[1:] if len(stem) >= _LEAST_LETTERS))

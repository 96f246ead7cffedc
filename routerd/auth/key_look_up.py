"""The keys of signatures, fetched before anything is checked, so that checking itself waits for nothing."""

import asyncio
from collections.abc import Iterable

from routerd.auth.dns_answers import Answer, LookUp, RecordKind


async def look_up_keys(names: Iterable[str], look_up: LookUp) -> dict[str, Answer]:
    """What DNS says at each name, all asked at once."""
    different = tuple(dict.fromkeys(names))
    if len(different) == 1:  # as nearly always: a task for it would take longer than a known answer
        return {different[0]: await look_up(different[0], RecordKind.TXT)}
    answers = await asyncio.gather(*(look_up(name, RecordKind.TXT) for name in different))
    return dict(zip(different, answers, strict=True))

"""The keys of signatures, fetched before anything is checked, so that checking itself waits for nothing."""

import asyncio
from collections.abc import Iterable

from routerd.auth.dns_answers import Answer, LookUp, RecordKind

MAX_AT_ONCE = 4  # what else is asked about the message must not wait for names that its signatures make up


async def look_up_keys(names: Iterable[str], look_up: LookUp) -> dict[str, Answer]:
    """What DNS says at each name: the first are asked first."""
    different = tuple(dict.fromkeys(names))
    if len(different) == 1:  # as nearly always: a task for it would take longer than a known answer
        return {different[0]: await look_up(different[0], RecordKind.TXT)}
    turns = asyncio.Semaphore(MAX_AT_ONCE)

    async def answer(name: str) -> Answer:
        async with turns:
            return await look_up(name, RecordKind.TXT)

    answers = await asyncio.gather(*map(answer, different))
    return dict(zip(different, answers, strict=True))

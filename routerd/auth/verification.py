"""Step 3 of a message's way: who wrote it, by what DNS and the message's signatures prove."""

from dataclasses import dataclass

from routerd.auth.dmarc import DmarcResult
from routerd.auth.results import MethodResult


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found of one message. Nothing of it where nothing was verified."""

    results: tuple[MethodResult, ...] = ()  # as our Authentication-Results says them, in its order
    dmarc: DmarcResult | None = None


NOT_VERIFIED = Verification()

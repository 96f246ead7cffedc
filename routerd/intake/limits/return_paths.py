"""How often return paths may be used, and forged. Pure."""

from routerd.intake.limits.tally import Tally
from routerd.intake.protocol.events import Declined

RETURN_PATH_FLOODED = Declined(450, "4.7.1", "Too much mail for this return path", "return_path_flood")
TOO_MANY_FORGED = Declined(421, "4.7.0", "Too many addresses that we never gave out", "forged_token")


def forged_return_paths() -> Tally:
    """By client: some bounces are mangled on their way, so a few are let by."""
    return Tally(allowed=10, window_seconds=3600.0)


def used_return_paths() -> Tally:
    """By copy: its bounces, its delays and an automatic answer or two; whoever saw the address may send no flood."""
    return Tally(allowed=20, window_seconds=86_400.0)

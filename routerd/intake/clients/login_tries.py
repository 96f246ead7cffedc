"""Logins tried lately: what the answer was, and who has had his share of wrong ones. Pure.

Memory is bounded, and holds neither names nor passwords: only digests, those of passwords under a secret.
"""

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b

from routerd.intake.limits.counts import Counted, Counts

_HOUR = 3600.0
_WRONG_OF_LOGIN = 10  # an hour, of one login from one client
_WRONG_OF_CLIENT = 30  # an hour, of all logins; those that were right from there lately are not counted
_RIGHT_SECONDS = 3600.0  # for which a right answer holds
_REMEMBERED = 2000
_EVER = float("inf")


@dataclass(frozen=True, slots=True)
class Try:
    """One login from one client; `client` is its key."""

    who: str  # login and client
    client: str
    what: str  # login, password, and what the file has of them


class LoginTries:
    """Of all processes that count together, but for right answers: each finds those out by itself.

    Moments are in seconds, from whatever beginning.
    """

    def __init__(self, counts: Counts) -> None:
        self._secret = counts.secret()
        self._wrong_of_login = counts.tally(Counted.WRONG_OF_LOGIN, _WRONG_OF_LOGIN, _HOUR)
        self._wrong_of_client = counts.tally(Counted.WRONG_OF_CLIENT, _WRONG_OF_CLIENT, _HOUR)
        self._wrong = counts.tally(Counted.WRONG_PASSWORDS, 1, _EVER)
        self._known = counts.tally(Counted.KNOWN_LOGINS, 1, _EVER)
        self._right: OrderedDict[str, float] = OrderedDict()  # by `Try.what`: since when

    def of(self, name: str, password: str, kept: str, client: str) -> Try:
        """`kept`: what stands in the file for that name; where it changes, no answer holds any more."""
        what = blake2b(key=self._secret, digest_size=32)
        for part in (name, kept, password):
            octets = _octets(part)
            what.update(len(octets).to_bytes(8, "big") + octets)
        who = blake2b(_octets(f"{name}\0{client}"), digest_size=16).hexdigest()
        return Try(who, client, what.hexdigest())

    def is_spent(self, tried: Try, now: float) -> bool:
        """Too many wrong ones of that login from that client; or of any, but for who has been right from there."""
        if self._wrong_of_login.is_spent(tried.who, now):
            return True
        return self._wrong_of_client.is_spent(tried.client, now) and not self.is_known(tried)

    def is_known(self, tried: Try) -> bool:
        """Whether that login has been right from that client."""
        return self._known.is_spent(tried.who, 0.0)

    def answer(self, tried: Try, now: float) -> bool | None:
        """Whether it was right; None where it was not tried lately."""
        since = self._right.get(tried.what)
        if since is not None and now - since <= _RIGHT_SECONDS:
            return True
        return False if self._wrong.is_spent(tried.what, now) else None

    def note(self, tried: Try, now: float, *, right: bool) -> None:
        """What came out of one that had no answer.

        The same wrong password is so counted once: a telephone that was not told of a new one guesses nothing.
        """
        if right:
            self._right[tried.what] = now
            self._right.move_to_end(tried.what)
            if len(self._right) > _REMEMBERED:
                self._right.popitem(last=False)
        else:
            self._wrong.count(tried.what, now)
            self._wrong_of_login.count(tried.who, now)
            self._wrong_of_client.count(tried.client, now)

    def note_entry(self, tried: Try) -> None:
        """A member came in by it."""
        self._known.count(tried.who, 0.0)


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")

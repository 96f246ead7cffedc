"""Members' logins: whether a password is the one in the file of `passwords:`, without being a way to guess it.

A hash takes a fifth of a second and 32 MB, so one thread makes them, few may wait, and what was answered lately is
remembered: under a secret of this daemon, and only as long as the file's line stays as it is.
"""

import asyncio
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from routerd.config.password_file import PasswordFile, read_passwords
from routerd.config.password_hash import PasswordHash, dummy_hash
from routerd.config.settings import Settings
from routerd.intake.clients.login_tries import LoginTries
from routerd.intake.limits.counts import Counts
from routerd.intake.protocol.events import LoggedIn
from routerd.message.envelope import Refused

WRONG = Refused(535, "5.7.8", "Wrong login or password")  # RFC 4954 6
TOO_MANY_WRONG = Refused(454, "4.7.0", "Too many wrong logins; try again in an hour")
BUSY = Refused(454, "4.7.0", "Too many logins at once; try again")

_MOST_WAITING = 8
_MOST_WITH_KNOWN = 16  # so many may wait where the last is a member who was right from there: nobody crowds him out
_MOST_OF_CLIENT = 2  # at once: no one client takes all places
_LOOK_EVERY_SECONDS = 2.0
_LONGEST_NAME = 320  # characters; to normalise takes a time that grows with the square of them

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Book:
    """Who may log in, by which names and passwords."""

    names: dict[str, str] = field(default_factory=dict)  # folded key or address → member
    hashes: dict[str, PasswordHash] = field(default_factory=dict)

    @property
    def dearest(self) -> PasswordHash | None:
        """The one that costs most to try."""
        return max(self.hashes.values(), key=lambda hashed: hashed.work_bytes, default=None)


class Logins:
    """Checks logins by one config and its file, which is read again where it has changed.

    A file with something wrong in it never takes effect: the last good one stays, and the log says so. `seconds` gives
    the time, from whatever beginning.
    """

    def __init__(self, settings: Settings, counts: Counts, *, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._secret = counts.secret()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="logins")
        self._is_closed = False
        self._in_work: Counter[str] = Counter()  # by client
        self._tries = LoginTries(counts)
        self._book = _Book()
        self._seen: tuple[int, ...] | None = None
        self._reading: asyncio.Future[_News] | None = None  # of a config that has just come
        self._take_over(settings)
        self._take(_read_if_changed(settings, None))

    def adopt(self, settings: Settings) -> None:
        """By a reloaded config from now on. A thread reads its file; the next login waits for that."""
        self._take_over(settings)
        self._reading = asyncio.get_running_loop().run_in_executor(None, _read_if_changed, settings, None)
        self._reading.add_done_callback(lambda reading: self._take_of(settings, reading.result()))

    def _take_over(self, settings: Settings) -> None:
        self._settings = settings
        self._seen = None
        self._looked_at = self._seconds()
        self._book = _Book(_names_of(settings), self._book.hashes if settings.passwords else {})

    async def check(self, login: str, password: str, client_key: str) -> LoggedIn | Refused:
        """`login`: a member's key or one of his addresses, in any case. `client_key`: as `message.client_key` gives it.

        Right, wrong (535), or not now (454): too many wrong ones from that client, or too many at once.
        """
        await self._look_if_due()
        book, name = self._book, _folded(login)
        member = book.names.get(name)
        hashed = book.hashes.get(member) if member is not None else None
        tried = self._tries.of(name, password, str(hashed), client_key)
        if self._tries.is_spent(tried, self._seconds()):
            return TOO_MANY_WRONG
        right = self._tries.answer(tried, self._seconds())
        if right is None:
            most = _MOST_WITH_KNOWN if self._tries.is_known(tried) else _MOST_WAITING
            with self._place_for(client_key, most) as is_free:
                right = await self._try(hashed, password) if is_free else None
            if right is None:
                return BUSY
            self._tries.note(tried, self._seconds(), right=right)
            if not right:
                log.info("password_wrong", member=member, client=client_key)
        if not right or member is None:
            return WRONG
        self._tries.note_entry(tried)
        return LoggedIn(member)

    def close(self) -> None:
        """No more logins; a hash in the making ends by itself."""
        self._is_closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)

    # The hash.

    @contextmanager
    def _place_for(self, client_key: str, most: int) -> Iterator[bool]:
        if self._in_work.total() > most or self._in_work[client_key] >= _MOST_OF_CLIENT:
            yield False
            return
        self._in_work[client_key] += 1
        try:
            yield True
        finally:
            self._in_work[client_key] -= 1
            if not self._in_work[client_key]:
                del self._in_work[client_key]

    async def _try(self, hashed: PasswordHash | None, password: str) -> bool | None:
        """None where it cannot be told now.

        Without a hash the work is that of the dearest one, so that time tells no names.
        """
        if self._is_closed:
            return None
        if hashed is None:
            hashed = dummy_hash(self._book.dearest, self._secret)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, hashed.is_of, password)
        except asyncio.CancelledError:
            if self._is_closed:
                return None
            raise
        except (MemoryError, ValueError):  # ValueError: OpenSSL's, where it has no memory, or no scrypt
            log.exception("password_not_tried")
            return None

    # The file.

    async def _look_if_due(self) -> None:
        if self._reading is not None:
            await asyncio.wait({self._reading})
        settings, now = self._settings, self._seconds()
        if settings.passwords is None or now - self._looked_at < _LOOK_EVERY_SECONDS:
            return
        self._looked_at = now
        news = await asyncio.get_running_loop().run_in_executor(None, _read_if_changed, settings, self._seen)
        self._take_of(settings, news)

    def _take_of(self, settings: Settings, news: "_News") -> None:
        if settings is self._settings:
            self._take(news)

    def _take(self, news: "_News") -> None:
        if news.seen == self._seen:
            return
        self._seen = news.seen
        if news.hashes is not None:
            self._book = _Book(self._book.names, news.hashes)
            log.info("passwords_read", file=self._settings.passwords, members=len(news.hashes))
            return
        for problem in news.problems:
            log.error("passwords_refused", problem=problem)


@dataclass(frozen=True, slots=True)
class _News:
    """Of the file: its identity, and its hashes where it is good and has changed."""

    seen: tuple[int, ...] | None
    hashes: dict[str, PasswordHash] | None = None
    problems: tuple[str, ...] = ()


def _read_if_changed(settings: Settings, seen: tuple[int, ...] | None) -> _News:
    path = settings.passwords
    if path is None:
        return _News(None)
    now_seen = _identity(path)
    if now_seen == seen:
        return _News(seen)
    try:
        found: PasswordFile = read_passwords(path, settings.members)
    except OSError as error:
        return _News(now_seen, problems=(f"{path}: cannot be read: {error.strerror or error}",))
    if found.problems:
        return _News(now_seen, problems=tuple(map(str, found.problems)))
    return _News(now_seen, found.hashes)


def _identity(path: Path) -> tuple[int, ...]:
    """By which a changed file is known, also one put in its place or made readable; () where there is none."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _names_of(settings: Settings) -> dict[str, str]:
    """Every name by which a member logs in; a key that two share when letters are folded stands for neither."""
    names: dict[str, str] = {}
    shared: set[str] = set()
    for member, found in settings.members.items():
        for name in (member, str(found.mailbox), *map(str, found.addresses)):
            if names.setdefault(_folded(name), member) != member:
                shared.add(_folded(name))
    return {name: member for name, member in names.items() if name not in shared}


def _folded(login: str) -> str:
    """One spelling of all that mean the same; nobody's name is so long as what is left as it is."""
    if len(login) > _LONGEST_NAME:
        return login
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", login).casefold())

"""`routerd queue export`: messages as .eml, byte for byte as they came, or as a copy leaves."""

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from routerd.cli.options import EXIT_FOUND_WRONG, config_option, load_or_exit, why_not
from routerd.cli.queue_report import MAX_TEXT, fail
from routerd.cli.queue_selecting import Chosen, Given, selecting
from routerd.cli.state import fail_by, reading_state
from routerd.config.settings import Settings
from routerd.delivery.desk_addresses import DeskAddresses
from routerd.delivery.letter import content_of, is_by_inbox
from routerd.delivery.routes import Routes
from routerd.delivery.transports.maildir import NO_LINKS
from routerd.message.address import parse_address
from routerd.message.desk_fields import NO_DESK_FIELDS, DeskFields
from routerd.message.envelope import QueueId, Raw
from routerd.message.fold import display
from routerd.message.token import BOUNCE
from routerd.store.base import Copy, StoreDamagedError, StoreError
from routerd.store.queue_view import QueueView, as_owner
from routerd.store.salvage import Lost, salvaged

PIECE_BYTES = 1 << 20


class _NotExportedError(Exception):
    """One message; the others may do."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """What becomes one file: a message, or a copy of it."""

    name: str  # queue id, or copy id
    queue_id: QueueId
    copy: int | None = None  # number


@click.command("export", short_help="Write messages as .eml, byte for byte.")
@config_option
@selecting
@click.option("--copy", "as_copy", is_flag=True, help="Each copy as it would leave, with routerd's headers, unsigned.")
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Write files QUEUEID.eml (with --copy COPYID.eml) there; needed for more than one.",
)
def command(config: Path | None, given: Given, as_copy: bool, folder: Path | None) -> None:
    """Write messages byte for byte as they came: one to standard output, several as .eml files into a folder.

    ID: a copy's, a message's, or a Message-ID. Of a damaged database all is written that can be read, with --to.

    With --copy each as it would leave now. Signatures (DKIM, ARC) are not in it: they are made when it leaves, by keys
    that the daemon alone reads.
    """
    if not given.says_which:
        raise click.UsageError("which messages? Give ids or filters, or say 'all'")
    settings = load_or_exit(config)
    written: set[str] = set()
    try:
        with reading_state(settings.state) as view:
            chosen = Chosen(settings, given, view)
            pieces = list(_pieces(chosen, given, as_copy))
            if not pieces and not chosen.unknown:
                chosen.refuse_unknown_names()
                fail("nothing fits")
            for one in chosen.unknown:
                click.echo(f"{display(one, MAX_TEXT)}: no such copy or message", err=True)
            source = _Source(settings, view)
            if folder is None:
                _print_one(pieces, source, as_copy)
                is_whole = True
            else:
                is_whole = _write_all(folder, pieces, source, written)
    except StoreDamagedError as error:
        _salvage(settings, given, as_copy, folder, error, written)
    except StoreError as error:
        fail_by(error)
    if chosen.unknown or not is_whole:
        sys.exit(EXIT_FOUND_WRONG)


def _pieces(chosen: Chosen, given: Given, as_copy: bool) -> Iterator[_Piece]:
    seen: set[str] = set()
    for copy in chosen.copies():
        piece = _Piece(copy.id, copy.queue_id, copy.number) if as_copy else _Piece(copy.queue_id, copy.queue_id)
        if piece.name not in seen:
            seen.add(piece.name)
            yield piece
        if given.limit is not None and len(seen) >= given.limit:
            return


class _Source:
    """Gives the bytes of pieces. Raises StoreError, _NotExportedError."""

    def __init__(self, settings: Settings, view: QueueView) -> None:
        self._routes = Routes(settings)
        self._settings = settings
        self._state = settings.state
        self._view = view
        with as_owner(self._state):
            keys = view.keys(BOUNCE)
        self._desk = DeskAddresses(settings, keys) if keys is not None else None

    def bytes_of(self, piece: _Piece) -> Iterator[Raw]:
        with as_owner(self._state):
            raw = self._view.content(piece.queue_id)
        if raw is None:
            raise _NotExportedError("its bytes are no longer kept")
        if piece.copy is None:
            return (raw[start : start + PIECE_BYTES] for start in range(0, len(raw), PIECE_BYTES))
        copy = next(iter(self._view.full_copies([piece.copy])), None)
        if copy is None or copy.damage:
            raise _NotExportedError(copy.damage if copy else "it was forgotten")
        route = self._routes.route_for(copy.mailbox)
        trusts_us = route is not None and route.trusts_us
        fields = self._desk.fields_of(copy, trusts_us=trusts_us) if self._desk else NO_DESK_FIELDS
        content, fault = content_of(copy, raw, trusts_us=trusts_us, desk=fields)
        if self._is_signed(copy, fields):
            click.echo(f"{piece.name}: without the DKIM-Signature, which is made when it leaves", err=True)
        if fault:
            click.echo(f"{piece.name}: cannot be annotated, its original is attached ({fault})", err=True)
        return content.pieces()

    def _is_signed(self, copy: Copy, fields: DeskFields) -> bool:
        """Where it leaves; also by a key of a domain above."""
        domain = f".{parse_address(copy.annotation.inbox).domain}"
        return is_by_inbox(copy, fields) and any(domain.endswith(f".{key.domain}") for key in self._settings.dkim)


def _print_one(pieces: list[_Piece], source: _Source, as_copy: bool) -> None:
    if not pieces:
        sys.exit(EXIT_FOUND_WRONG)
    if len(pieces) > 1:
        what = "copies" if as_copy else "messages"
        raise click.UsageError(f"{len(pieces):,} {what} do not fit on standard output: --to FOLDER, or --limit 1")
    if sys.stdout.isatty():
        raise click.UsageError("a message may steer your terminal: send it to a file or a pager, or --to FOLDER")
    try:
        for chunk in source.bytes_of(pieces[0]):
            sys.stdout.buffer.write(chunk)
    except _NotExportedError as error:
        fail(f"{pieces[0].name}: {error}")
    sys.stdout.buffer.flush()


def _write_all(folder: Path, pieces: Iterable[_Piece], source: _Source, written: set[str]) -> bool:
    """Whether all of them were `written`. Raises StoreDamagedError where damage hides one."""
    _make(folder)
    is_whole = True
    for piece in pieces:
        try:
            if not piece.name.replace("-", "").isalnum():
                raise _NotExportedError("no id that a file may be called by: its row is damaged")
            _write(folder / f"{piece.name}.eml", source.bytes_of(piece))
            written.add(piece.name)
        except StoreDamagedError:
            raise
        except (_NotExportedError, StoreError) as error:
            click.echo(f"{display(piece.name, MAX_TEXT)}: {display(str(error), MAX_TEXT)}", err=True)
            is_whole = False
    return is_whole


def _salvage(
    settings: Settings, given: Given, as_copy: bool, folder: Path | None, why: StoreError, before: set[str]
) -> None:
    """Past what is damaged, as far as ids and `all` go: filters would have to believe damaged rows.

    `before`: what was written until the damage was met.
    """
    if folder is None or as_copy or given.limit is not None or (given.says_which and not given.ids):
        fail_by(why)
    click.echo(display(str(why), 1000), err=True)
    _make(folder)
    wanted = {one.partition("-")[0].upper() for one in given.named_ids}
    written, lost = len(before), 0
    with as_owner(settings.state):
        found = iter(salvaged(settings.state))
    while True:
        with as_owner(settings.state):
            one = next(found, None)
        if one is None:
            break
        if one.queue_id in before or (wanted and one.queue_id not in wanted):
            continue
        if isinstance(one, Lost):
            lost += 1
            click.echo(f"{display(one.queue_id, MAX_TEXT)}: {display(one.reason, MAX_TEXT)}", err=True)
            continue
        try:
            _write(folder / f"{one.queue_id}.eml", (one.raw,))
            written += 1
        except _NotExportedError as error:
            lost += 1
            click.echo(f"{display(one.queue_id, MAX_TEXT)}: {error}", err=True)
    fail(f"{written:,} messages were read and written, {lost:,} were not")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        fail(why_not(error))


def _write(path: Path, chunks: Iterable[Raw]) -> None:
    """A new file of the caller's alone, whole or not at all: nothing is overwritten. Raises _NotExportedError."""
    part = path.with_name(f".{path.name}.part")
    try:
        if os.path.lexists(path):
            raise FileExistsError
        part.unlink(missing_ok=True)  # of an export that was killed
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                for chunk in chunks:
                    file.write(chunk)
            _name(part, path)
        finally:
            part.unlink(missing_ok=True)
    except FileExistsError:
        raise _NotExportedError(f"{path} is there already") from None
    except OSError as error:
        raise _NotExportedError(why_not(error)) from error
    click.echo(display(str(path), 1000))


def _name(part: Path, path: Path) -> None:
    try:
        path.hardlink_to(part)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        part.rename(path)

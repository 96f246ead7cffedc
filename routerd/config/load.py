"""From a file to `Settings`, or to every problem in it, each with its place."""

import os
import socket
from collections.abc import Callable, Iterator
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from routerd.config.checks import check_all
from routerd.config.draft import Draft, PartialSettings
from routerd.config.plain import Loc, Reading, read_plain
from routerd.config.regular_file import FileProblemsError
from routerd.config.settings import Settings
from routerd.config.wording import follows_from_items, problem_of
from routerd.config.yaml_source import MAX_BYTES, Mapping, Mark, Problem, read_yaml
from routerd.message.address import parse_host_name

ENVIRONMENT_KEY = "ROUTERD_CONFIG"
CREDENTIALS_KEY = "CREDENTIALS_DIRECTORY"  # systemd.exec(5)
USUAL_PLACES = (Path("routerd.yaml"), Path("/etc/routerd/routerd.yaml"))
Context = MappingOf[str, Path]  # `folder` of the file, absolute; `shown`: the same as problems name it
_MAX_ROUNDS = 12  # dropping what is wrong can leave a list too short, and so on outwards; depth bounds it


@dataclass(frozen=True, slots=True)
class Loaded:
    """`settings` is None where there is a problem; `problems` are in the order of the file.

    `is_readable`: False where the file could not be read at all, which is the one problem then.
    """

    settings: Settings | None
    problems: tuple[Problem, ...]
    is_readable: bool = True


class NoConfigError(Exception):
    """No config file; the message names every place that was looked at."""


def find_config(explicit: Path | None) -> Path:
    """`explicit`, else $ROUTERD_CONFIG, else ./routerd.yaml, else /etc/routerd/routerd.yaml. Raises NoConfigError."""
    if explicit is not None:
        return explicit
    named = os.environ.get(ENVIRONMENT_KEY)
    if named:
        return Path(named)
    for place in USUAL_PLACES:
        if _may_be(place):
            return place
    looked = ", ".join(f"./{place}" if not place.is_absolute() else str(place) for place in USUAL_PLACES)
    raise NoConfigError(
        f"no config file: -c/--config is not given, ${ENVIRONMENT_KEY} is not set, and there is none at {looked};"
        " 'routerd init DIR' writes one"
    )


def _may_be(place: Path) -> bool:
    """Whether there is such a file. Of a fixed place that may not be looked into, reading it will say so; the current
    folder may be one that a `sudo -u routerd` has left behind.
    """
    try:
        return place.is_file()
    except OSError:
        return place.is_absolute()


def load_settings(
    path: Path,
    *,
    machine_name: Callable[[], str] = socket.getfqdn,
    in_service: bool | None = None,
    reads_secrets: bool = True,
) -> Loaded:
    """Reads and checks `path`. Never raises for what is in the file or for a file that cannot be read.

    File names in it are relative to its folder. `machine_name` is asked only where `hostname` is absent.
    `in_service`: the files that systemd hands to a service must be there; by default where it handed any to us.
    `reads_secrets`: what is wrong with the files of certificates, keys and passwords is wrong with the config.
    """
    file = str(path)
    try:
        with path.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
    except OSError as error:
        return Loaded(
            None, (Problem(Mark(file, 0, 0), f"cannot be read: {error.strerror or error}"),), is_readable=False
        )
    document = read_yaml(file, data)
    if not isinstance(document.root, Mapping):
        wrong = "is empty" if document.root is None else "must be a mapping (key: value)"
        problems = document.problems or (Problem(Mark(file, 1, 1), f"the file {wrong}"),)
        return Loaded(None, problems)
    if in_service is None:
        in_service = CREDENTIALS_KEY in os.environ
    context = {"folder": path.absolute().parent, "shown": path.parent}
    settings, draft, problems = _settle(document.root, context, machine_name, in_service)
    problems += tuple(check_all(replace(draft, reads_secrets=reads_secrets)))
    problems = (*document.problems, *problems)
    if problems:
        return Loaded(None, tuple(sorted(dict.fromkeys(problems), key=lambda problem: problem.mark)))
    return Loaded(settings, ())


def _settle(
    root: Mapping, context: Context, machine_name: Callable[[], str], in_service: bool
) -> tuple[Settings | None, Draft, tuple[Problem, ...]]:
    """What could be read, and what is wrong with single keys."""
    reading = read_plain(root)
    problems = list(reading.problems)
    if "hostname" not in reading.values:
        problems += _name_after(reading, machine_name)
    settings: Settings | None = None
    try:
        settings = Settings.model_validate(reading.values, context=context)
        draft = Draft(settings, reading, reading, in_service)
    except ValidationError as error:
        problems += _problems_of(error, reading)
        draft = _salvage(root, reading, context, in_service)
    return settings, draft, tuple(problems)


def _name_after(reading: Reading, machine_name: Callable[[], str]) -> list[Problem]:
    """Sets the machine's own name as `hostname`; one that is no domain is a problem."""
    name = machine_name()
    try:
        reading.values["hostname"] = parse_host_name(name)
    except ValueError as error:
        reading.values["hostname"] = "invalid"
        return [
            Problem(reading.mark(), f"'hostname' is missing, and the machine's own name {name!r} is no domain: {error}")
        ]
    return []


def _problems_of(error: ValidationError, reading: Reading) -> Iterator[Problem]:
    for details in error.errors(include_url=False):
        wrong = details.get("ctx", {}).get("error")
        if isinstance(wrong, FileProblemsError):
            yield from wrong.problems
            continue
        problem = problem_of(details, reading)
        if problem is not None:
            yield problem


def _salvage(root: Mapping, first: Reading, context: Context, in_service: bool) -> Draft:
    """What is right of a file in which something is wrong, so that the checks across keys can still be made."""
    reading = first
    for _ in range(_MAX_ROUNDS):
        try:
            partial = PartialSettings.model_validate(reading.values, context=context)
            return Draft(partial, reading, first, in_service)
        except ValidationError as error:
            errors = [details for details in error.errors(include_url=False) if not follows_from_items(details)]
            dropped = reading.dropped | {_to_drop(details["type"], details["loc"], reading) for details in errors}
            reading = read_plain(root, dropped)
    return Draft(PartialSettings(), read_plain(Mapping([], root.mark)), first, in_service)


def _to_drop(kind: str, loc: Loc, reading: Reading) -> Loc:
    """The part to leave out: the value that is wrong, or the mapping in which a key is missing."""
    return reading.origin(loc[:-1] if kind == "missing" else loc)

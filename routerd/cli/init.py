"""`routerd init DIR`: a config and rules that run as they are and are meant to be edited."""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from routerd.cli.options import EXIT_FOUND_WRONG, fit_to_print, invoked_as, why_not
from routerd.cli.schema_command import with_schemas
from routerd.starter import starter_files


class ExistsError(Exception):
    """Something that would be written is there already; nothing was written."""


def write_starter(folder: Path, files: Mapping[str, bytes]) -> tuple[Path, ...]:
    """Writes `files` (relative path → bytes) below `folder` and gives their paths.

    Never overwrites: raises ExistsError, before anything is written, where one of them (or a folder named like it)
    is there. Raises OSError where the disk refuses.
    """
    tops = sorted({Path(name).parts[0] for name in files})
    there = [str(folder / top) for top in tops if (folder / top).exists() or (folder / top).is_symlink()]
    if there:
        raise ExistsError(f"{' and '.join(there)} exist{'s' if len(there) == 1 else ''} already; nothing was written")
    written = []
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as opened:
            opened.write(content)
        written.append(path)
    return tuple(written)


@click.command("init")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
def command(folder: Path) -> None:
    """Write routerd.yaml, rules.d/ and, for editors, schemas/ into DIR, ready to run and to edit. Never overwrites."""
    try:
        written = write_starter(folder, with_schemas(starter_files()))
    except (ExistsError, OSError) as error:
        reason = why_not(error) if isinstance(error, OSError) else str(error)
        click.echo(fit_to_print(f"routerd init: {reason}"), err=True)
        sys.exit(EXIT_FOUND_WRONG)
    for path in written:
        click.echo(fit_to_print(f"wrote {path}"))
    config = shlex.quote(str(folder / "routerd.yaml"))
    click.echo()
    for start, name in (("Next: ", "check"), ("      ", "test"), ("      ", "run")):
        click.echo(fit_to_print(f"{start}{invoked_as()} {name} -c {config}"))

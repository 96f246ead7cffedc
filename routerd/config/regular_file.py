"""Files that others put in our way, read without being caught: no pipe that never ends, no device, no endless file."""

import os
import re
import stat
from errno import EFBIG, EINVAL, ELOOP
from pathlib import Path

from routerd.config.yaml_source import Problem

_LINE_END = re.compile("\r\n|\n|\r")


class FileProblemsError(ValueError):
    """Problems in a file that the config names, each with its own place."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


def read_regular(path: Path, most_bytes: int) -> bytes:
    """The whole file. Raises OSError, also where it is no regular file, or larger than `most_bytes`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe would wait for its writer
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(EINVAL, "it is not a regular file", str(path))
        with open(descriptor, "rb", closefd=False) as opened:
            data = opened.read(most_bytes + 1)
    finally:
        os.close(descriptor)
    if len(data) > most_bytes:
        raise OSError(EFBIG, f"it is larger than {most_bytes} bytes", str(path))
    return data


def lines_of(text: str) -> list[str]:
    """The lines as editors count them: of all that `str.splitlines` parts, a form feed or U+2028 ends none."""
    return _LINE_END.split(text.removeprefix("\ufeff"))


def resolved(path: Path) -> Path:
    """Where it is behind its links. Raises OSError, also for links that go round in circles."""
    try:
        return path.resolve(strict=True)
    except RuntimeError:  # pathlib's word for it up to Python 3.12
        raise OSError(ELOOP, "its links go round in circles", str(path)) from None

"""Routerd compiled once, for the hundreds of daemons and commands that tests start."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

_IMPORT_ALL = """\
import importlib, pkgutil, routerd
for module in pkgutil.walk_packages(routerd.__path__, "routerd."):
    importlib.import_module(module.name)
"""


@cache
def bytecode_environ() -> dict[str, str]:
    """With which a process finds it compiled, where Python is told to write nothing beside the sources: else each one
    compiles it anew, which takes half as long again as all else until it is ready.
    """
    if not sys.dont_write_bytecode:
        return {}
    folder = Path.home() / ".cache/routerd-test-bytecode"  # for later runs, too: what has changed is compiled anew
    folder.mkdir(0o700, parents=True, exist_ok=True)
    found = {"PYTHONPYCACHEPREFIX": str(folder)}
    environ = {**os.environ, **found, "PYTHONDONTWRITEBYTECODE": ""}
    subprocess.run([sys.executable, "-c", _IMPORT_ALL], env=environ, check=True, timeout=300)
    return found

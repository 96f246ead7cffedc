"""Routerd compiled once, for the hundreds of daemons and commands that tests start."""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache

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
    folder = tempfile.mkdtemp(prefix="routerd-bytecode-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    found = {"PYTHONPYCACHEPREFIX": folder}
    environ = {**os.environ, **found, "PYTHONDONTWRITEBYTECODE": ""}
    subprocess.run([sys.executable, "-c", _IMPORT_ALL], env=environ, check=True, timeout=300)
    return found

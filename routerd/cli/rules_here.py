"""The rules folder compiled for a command, with places as the shell would find them."""

from pathlib import Path

from routerd.config.settings import Settings
from routerd.ops.rules_folder import compile_folder
from routerd.rules.compile import Compiled


def compile_here(settings: Settings, folder: Path | None = None) -> Compiled:
    """The rules folder of `settings`, or another, compiled; places bear paths as the shell would find them."""
    return compile_folder(settings, folder=folder, label=shown_folder(folder or settings.rules))


def shown_folder(folder: Path) -> str:
    """Relative to where the command runs, where it lies below."""
    try:
        return str(folder.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(folder)

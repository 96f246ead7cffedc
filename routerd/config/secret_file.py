"""Files that hold secrets: who may look at them, and where systemd puts them."""

import os
import stat
from pathlib import Path

CREDENTIALS = Path("/run/credentials")  # LoadCredential= of systemd.exec(5): there while the service runs, for it alone


def open_to(path: Path) -> str | None:
    """Why others could read or change it, with what to do about it; None where they cannot. Raises OSError.

    systemd's credentials belong to root, and may be open to the group that an access list of theirs stands for.
    """
    found = path.stat()
    others = 0o007 if path.is_relative_to(CREDENTIALS) else 0o077
    if stat.S_IMODE(found.st_mode) & others:
        return f"others than its owner may use it (mode {stat.S_IMODE(found.st_mode):04o}); run: chmod 600 {path}"
    us = os.geteuid()
    if us != 0 and found.st_uid not in (us, 0):
        return f"it belongs to user {found.st_uid}, not to us (user {us}) or root; run: chown {us} {path}"
    return None

"""What the system says of a failure, in its words alone: numbers and brackets say nothing to a postmaster."""

import os
import socket
import ssl


def in_words(error: Exception) -> str:
    """Never empty; with the file's name where it is about one."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {error.verify_message}"
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    if isinstance(error, OSError) and error.errno and not isinstance(error, socket.gaierror | ssl.SSLError):
        said = os.strerror(error.errno)
        return f"{os.fsdecode(error.filename)}: {said}" if isinstance(error.filename, str | bytes) else said
    return getattr(error, "strerror", None) or str(error) or type(error).__name__

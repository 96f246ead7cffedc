"""What the daemon proves by that it is who it says: the certificate of its listeners, and the keys it signs with."""

from dataclasses import dataclass

from routerd.auth.signers import Signers, load_signers
from routerd.config.settings import Settings
from routerd.intake.tls import ServerContext, tls_context


@dataclass(frozen=True, slots=True)
class Credentials:
    tls: ServerContext | None
    signers: Signers


class CredentialsError(Exception):
    """The message is the key of the config, and what is wrong with its file."""


def load_credentials(settings: Settings) -> Credentials:
    """Reads the files that the settings name. Raises CredentialsError."""
    try:
        tls = tls_context(settings.tls) if settings.tls else None
    except OSError as error:
        raise CredentialsError(f"tls: {error.strerror or error}") from error
    try:
        return Credentials(tls, load_signers(settings.dkim))
    except (OSError, ValueError) as error:
        raise CredentialsError(f"dkim: {error}") from error

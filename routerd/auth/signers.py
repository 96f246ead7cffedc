"""Who signs for which domain, by the keys that the config names."""

from collections.abc import Iterable
from datetime import datetime

from routerd.auth.dkim_signing import Signer, sign_by_all
from routerd.config.dkim_key_file import read_key
from routerd.config.settings import DkimKey
from routerd.message.dkim_keys import PrivateKey
from routerd.message.envelope import Raw


class Signers:
    """By domain. None at all where nothing is to be signed."""

    def __init__(self, signers: Iterable[Signer] = ()) -> None:
        self._by_domain: dict[str, tuple[Signer, ...]] = {}
        for signer in signers:
            self._by_domain[signer.domain] = (*self._by_domain.get(signer.domain, ()), signer)

    @property
    def all(self) -> tuple[Signer, ...]:
        """In the order of the config, domain by domain."""
        return tuple(signer for signers in self._by_domain.values() for signer in signers)

    def of(self, domain: str) -> tuple[Signer, ...]:
        """All keys of `domain`, else of the nearest one above it, which is as good unless the domain's DMARC policy is
        strict (RFC 9989 3.2.10.1); () where it has none.
        """
        while domain:
            found = self._by_domain.get(domain)
            if found:
                return found
            _, _, domain = domain.partition(".")
        return ()

    def sign(self, raw: Raw, domain: str, at: datetime) -> bytes:
        """`raw`, which routerd wrote from an address at `domain`, with a signature of each key on top."""
        return sign_by_all(raw, self.of(domain), at)


NO_SIGNERS = Signers()


def load_signers(keys: Iterable[DkimKey]) -> Signers:
    """Raises OSError, and ValueError where a file holds no key; both name the file."""
    return Signers(Signer(key.domain, key.selector, _read(key)) for key in keys)


def _read(key: DkimKey) -> PrivateKey:
    try:
        return read_key(key.key)
    except ValueError as error:
        raise ValueError(f"{key.key} cannot sign: {error}") from None

"""A file of `dkim:`: one private key in PEM."""

from pathlib import Path
from typing import TYPE_CHECKING

from routerd.config.regular_file import read_regular
from routerd.message.rsa_sizes import ADVISED_RSA_BITS, LEAST_RSA_BITS, MOST_RSA_BITS

if TYPE_CHECKING:
    from routerd.message.dkim_keys import PrivateKey

_MOST_BYTES = 100_000


def read_key(path: Path) -> "PrivateKey":
    """Raises OSError, and ValueError where it is no key that others would believe: the message says why, in words."""
    from routerd.message.dkim_keys import KeyKind, parse_private_key  # noqa: PLC0415 - slow to import

    key = parse_private_key(read_regular(path, _MOST_BYTES))
    if key.kind is KeyKind.RSA and not LEAST_RSA_BITS <= key.bits <= MOST_RSA_BITS:
        bounds = f"between {LEAST_RSA_BITS} and {MOST_RSA_BITS} (best {ADVISED_RSA_BITS})"
        raise ValueError(f"it has {key.bits} bits; others believe RSA keys that have {bounds}")
    return key

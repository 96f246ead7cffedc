"""The keys that domains publish in DNS for DKIM and ARC (RFC 6376 3.6.1, RFC 8463 4)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from routerd.auth.dns_answers import Absent, Answer, Records, Trouble
from routerd.auth.tag_list import TagListError, decode_base64, parse_tags, split_list
from routerd.auth.unverified import Unverified
from routerd.message.dkim_keys import KeyKind, PublicKey, UnusableKeyError, parse_public_key
from routerd.message.rsa_sizes import LEAST_RSA_BITS, MOST_RSA_BITS

MAX_KEYS = 4  # of one name; RFC 6376 3.6.2.2 leaves open which of several it is
MAX_RECORD_CHARACTERS = 4_000  # a key of 4,096 bits has 740

_KEPT_KEYS = 256


@dataclass(frozen=True, slots=True)
class DomainKey:
    """One key that may be used, and how its domain wants it to be."""

    public: PublicKey
    is_testing: bool  # t=y
    is_strict: bool  # t=s: for no subdomain of its domain

    @property
    def has_trusted_size(self) -> bool:
        return self.public.kind is not KeyKind.RSA or LEAST_RSA_BITS <= self.public.bits <= MOST_RSA_BITS


def keys_at(name: str, answers: Mapping[str, Answer], kind: KeyKind) -> list[DomainKey]:
    """The keys of a kind that DNS has at a name. Raises Unverified where there is none: its reason is the first's."""
    match answers.get(name):
        case Records(values):
            texts = values[:MAX_KEYS]
        case Absent():
            raise Unverified("permerror", "no key for signature")
        case Trouble(reason):
            raise Unverified("temperror", f"key cannot be looked up: {reason}")
        case None:
            raise Unverified("temperror", "key was not looked up")
    found, reasons = [], []
    for text in texts:
        read = _read_key(text, kind)
        if isinstance(read, DomainKey):
            found.append(read)
        else:
            reasons.append(read)
    if not found:
        raise Unverified("permerror", *reasons[:1]) if reasons else Unverified("permerror", "no key for signature")
    return found


@lru_cache(_KEPT_KEYS)
def _read_key(text: str, kind: KeyKind) -> DomainKey | str:
    """One record; in words why it is none that fits."""
    if len(text) > MAX_RECORD_CHARACTERS:
        return "key record is too long"
    try:
        tags = parse_tags(text)
        octets = decode_base64(tags.get("p", ""))
    except TagListError:
        return "key record is broken"
    why_not = _why_unfit(tags, kind)
    if why_not:
        return why_not
    try:
        public = parse_public_key(kind, octets)
    except UnusableKeyError:
        return "key is broken"
    flags = split_list(tags.get("t", ""))
    return DomainKey(public, "y" in flags, "s" in flags)


def _why_unfit(tags: dict[str, str], kind: KeyKind) -> str | None:
    if "p" not in tags or tags.get("v", "DKIM1") != "DKIM1" or ("v" in tags and next(iter(tags)) != "v"):
        return "key record is none of DKIM"
    if not tags["p"]:
        return "key is revoked"
    if tags.get("k", "rsa").lower() != kind:
        return f"key is not of {kind}"
    if "h" in tags and "sha256" not in split_list(tags["h"]):
        return "key is not for sha256"
    if "s" in tags and not {"*", "email"} & set(split_list(tags["s"])):
        return "key is not for mail"
    return None

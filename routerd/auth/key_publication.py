"""What DNS has to hold so that others believe our signatures (RFC 6376 3.6.1), and whether it does."""

from base64 import b64encode

from routerd.auth.dns_answers import Absent, Answer, Records, Trouble
from routerd.auth.key_record import keys_at
from routerd.auth.unverified import Unverified
from routerd.message.dkim_keys import PublicKey

_STRING = 250  # characters; RFC 1035 3.3.14: one string has at most 255 octets


def record_of(public: PublicKey) -> str:
    """The value of the TXT record."""
    return f"v=DKIM1; k={public.kind}; p={b64encode(public.octets).decode('ascii')}"


def zone_lines(name: str, value: str) -> list[str]:
    """The record as it stands in a zone file."""
    strings = [f'"{value[at : at + _STRING]}"' for at in range(0, len(value), _STRING)]
    if len(strings) == 1:
        return [f"{name}. IN TXT {strings[0]}"]
    return [f"{name}. IN TXT (", *(f"    {string}" for string in strings), ")"]


def amiss(name: str, answer: Answer, public: PublicKey) -> str | None:
    """Why verifiers that are told `answer` would not believe what the key signs; None where they would."""
    match answer:
        case Trouble(reason):
            return reason
        case Absent():
            return f"DNS has no record {name}"
        case Records(values) if len(values) > 1:
            return f"DNS has {len(values)} records {name}, of which verifiers take any"
        case _:
            return _amiss_in_record(name, answer, public)


def _amiss_in_record(name: str, answer: Answer, public: PublicKey) -> str | None:
    try:
        [found] = keys_at(name, {name: answer}, public.kind)
    except Unverified as error:
        return f"DNS has a record {name}, but its {error.reason}"
    if found.public.octets != public.octets:
        return f"DNS has another key at {name}"
    if found.is_testing:
        return f"the record {name} says t=y: signatures are only tried out, and prove nothing"
    return None

"""DNS lists: each is named once, can be asked for IPv6 clients too, and counts answers that a list can give."""

import ipaddress
from collections.abc import Iterator

from routerd.config.draft import Draft
from routerd.config.intake_settings import DNS_LIST_ANSWERS, DNS_LIST_ERRORS, LISTS_NOBODY
from routerd.config.settings import DnsList
from routerd.config.yaml_source import Mark, Problem

MAX_ZONE = 253 - 64  # octets that a name may have, less the nibbles of an IPv6 address and their dots


def check(draft: Draft) -> Iterator[Problem]:
    first: dict[str, Mark] = {}
    for index, entry in enumerate(draft.settings.dnsbl):
        mark = draft.reading.mark("dnsbl", index, "zone")
        if entry.zone in first:
            yield Problem(mark, f"the list {entry.zone} is named twice; first at line {first[entry.zone].line}")
        elif entry.zone.startswith("["):
            yield Problem(mark, f"{entry.zone} is an address; name a zone, such as bl.example.org")
        elif len(entry.zone) > MAX_ZONE:
            yield Problem(mark, f"a zone has at most {MAX_ZONE} characters, so that IPv6 addresses can be asked for")
        first.setdefault(entry.zone, mark)
        yield from _answers(draft, index, entry)


def _answers(draft: Draft, index: int, entry: DnsList) -> Iterator[Problem]:
    for number, network in enumerate(entry.answers):
        wrong = ""
        if not isinstance(network, ipaddress.IPv4Network) or not network.subnet_of(DNS_LIST_ANSWERS):
            wrong = f"no list answers {_shown(network)}; answers are in {DNS_LIST_ANSWERS}"
        elif network.subnet_of(DNS_LIST_ERRORS):
            wrong = f"{_shown(network)} lists nobody: so lists say that they do not serve who asks"
        elif network.num_addresses == 1 and network.network_address == LISTS_NOBODY:
            wrong = f"{LISTS_NOBODY} lists nobody: so ad blockers answer, not lists"
        if wrong:
            yield draft.at("dnsbl", index, "answers", number, message=wrong)


def _shown(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> str:
    return str(network.network_address if network.num_addresses == 1 else network)

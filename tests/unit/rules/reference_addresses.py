"""Addresses, asked in the plainest way."""

from fnmatch import fnmatchcase
from typing import Any

from reference_text import in_a_list, regex_fits

from routerd.rules.facts import Facts

ALIASES = {"help@example.com": "support@example.com"}  # as rule_sets has them
HEADERS = {"from": "from", "reply_to": "reply-to", "to": "to", "cc": "cc"}
ADDRESS_KEYS = [*HEADERS, "customer", "sender", "recipient", "inbox"]


def addresses_of(key: str, facts: Facts) -> list[str]:
    if key in HEADERS:
        return [mailbox.address.lower() for mailbox in facts.view.addresses(HEADERS[key]) if mailbox.address]
    if key == "customer":
        authors = addresses_of("from", facts)
        ours = [one for one in authors if without_detail(one) in facts.own_addresses]
        return (addresses_of("reply_to", facts) if ours else []) or authors
    found = {"sender": [facts.sender], "recipient": list(facts.recipients), "inbox": [facts.inbox]}[key]
    return [one.lower() for one in found if one]


def addresses_fit(key: str, value: Any, facts: Facts) -> bool:
    found = addresses_of(key, facts)
    if not isinstance(value, dict):
        return any(address_fits(one, form) for one in found for form in in_a_list(value))
    ((operator, wanted),) = value.items()
    if operator == "exists":
        return bool(found) is wanted
    if operator == "regex":
        return any(regex_fits(pattern, one) for one in found for pattern in in_a_list(wanted))
    return any(not any(address_fits(one, form) for form in in_a_list(wanted)) for one in found)


def address_fits(address: str, form: str) -> bool:
    form = ALIASES.get(form.lower(), form).lower()
    if "*" in form:
        return fnmatchcase(address, form)
    local, at, domain = form.rpartition("@")
    if domain.startswith("."):
        return ("." + address.rpartition("@")[2]).endswith(as_a_labels(domain))
    if at and local:
        return address == f"{local}@{as_a_labels(domain)}"
    return address.rpartition("@")[2] == as_a_labels(domain)


def as_a_labels(domain: str) -> str:
    return ".".join(label.encode("idna").decode() for label in domain.split("."))


def without_detail(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return f"{local.partition('+')[0]}@{domain}"

"""Keys of `dkim:`: each is named once, can be read by the daemon and by nobody else, and is one that DKIM has."""

from collections.abc import Iterator

from routerd.config.auth_settings import DkimKey
from routerd.config.checks.files import awaits_service, cannot_be_read, closed_to_daemon
from routerd.config.dkim_key_file import read_key
from routerd.config.draft import Draft
from routerd.config.secret_file import CREDENTIALS, open_to
from routerd.config.yaml_source import Mark, Problem

MOST_KEYS_OF_A_DOMAIN = 3  # each adds a signature: two kinds, and one more while keys change
_MOST_NAME = 253  # characters of a domain


def check(draft: Draft) -> Iterator[Problem]:
    first: dict[str, Mark] = {}
    count: dict[str, int] = {}
    for index, entry in enumerate(draft.settings.dkim):
        name = f"{entry.selector}._domainkey.{entry.domain}"
        mark = draft.reading.mark("dkim", index, "selector")
        count[entry.domain] = count.get(entry.domain, 0) + 1
        if entry.domain.startswith("["):
            wrong = f"{entry.domain} is an address; a key belongs to a domain"
            yield draft.at("dkim", index, "domain", message=wrong)
        elif name in first:
            yield Problem(mark, f"the key {name} is named twice; first at line {first[name].line}")
        elif len(name) > _MOST_NAME:
            yield Problem(mark, f"{name} is longer than the {_MOST_NAME} characters that a name in DNS may have")
        elif count[entry.domain] == MOST_KEYS_OF_A_DOMAIN + 1:
            most = f"each message would bear as many signatures; at most {MOST_KEYS_OF_A_DOMAIN} are made"
            yield Problem(mark, f"{entry.domain} has more than {MOST_KEYS_OF_A_DOMAIN} keys, and {most}")
        first.setdefault(name, mark)
        if draft.reads_secrets:
            yield from _file(draft, index, entry)
    yield from _sealer(draft)


def _sealer(draft: Draft) -> Iterator[Problem]:
    domain, keys = draft.settings.arc_seal, draft.settings.dkim
    all_known = "dkim" not in draft.first.keys_at() or draft.reading.is_whole("dkim")
    if domain is not None and all_known and not any(entry.domain == domain for entry in keys):
        yield draft.at("arc_seal", message=f"no key under 'dkim' is of {domain}, so nothing could be sealed")


def _file(draft: Draft, index: int, entry: DkimKey) -> Iterator[Problem]:
    path, place = entry.key, ("dkim", index, "key")
    try:
        read_key(path)
        shown_to = open_to(path)
    except OSError as error:
        if not awaits_service(path, draft):
            is_ours = isinstance(error, FileNotFoundError) and not path.is_relative_to(CREDENTIALS)
            hint = "; 'routerd dkim keygen' makes it" if is_ours else ""
            yield draft.at(*place, message=cannot_be_read(path, error.strerror or str(error)) + hint)
        return
    except ValueError as error:
        yield draft.at(*place, message=f"{path} cannot sign: {error}")
        return
    if shown_to:
        yield draft.at(*place, message=f"{path}: {shown_to}")
    yield from closed_to_daemon(draft, path, *place)

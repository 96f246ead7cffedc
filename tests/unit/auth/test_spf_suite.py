"""The public test suite of RFC 7208, all of it.

rfc7208/rfc7208-tests.yml is openspf.org's, as pyspf 2.0.14 on PyPI holds it (test/), under the licence beside it. Every
case gives the result that the suite prefers. One thing of it is not looked at: `explanation`. It allows not to ask for
explanations, and we do not: nothing is refused by SPF alone, so there is nobody to be told.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml
from spf_zones import Zones

from routerd.auth.spf import SpfIdentity, check_spf

SUITE = Path(__file__).parent / "rfc7208/rfc7208-tests.yml"
MOST_QUESTIONS = 1 + 10 + 10 * 10 + 11


def cases() -> list[Any]:
    found = []
    for scenario in yaml.safe_load_all(SUITE.read_bytes()):
        zones = {name.lower(): records for name, records in scenario["zonedata"].items()}
        found += [pytest.param(zones, case, id=name) for name, case in scenario["tests"].items()]
    return found


def zone_of(data: dict[str, list[Any]]) -> Zones:
    """As the suite's header says: SPF records stand for TXT records where a name has none; TIMEOUT for all the rest."""
    records: dict[tuple[str, str], list[str] | None] = {}
    for name in data:
        entries, has_timeout = entries_of(data, name, ())
        for kind, value in entries:
            texts = records.setdefault((name, kind), [])
            assert texts is not None
            texts.append(value)
        if has_timeout:
            for kind in ("A", "AAAA", "MX", "PTR", "TXT"):
                records.setdefault((name, kind), None)
    return Zones(records)


def entries_of(data: dict[str, list[Any]], name: str, seen: tuple[str, ...]) -> tuple[list[tuple[str, str]], bool]:
    """Behind CNAMEs, too; a loop of them is trouble."""
    if name in seen:
        return [], True
    entries = [next(iter(entry.items())) for entry in data.get(name, []) if entry != "TIMEOUT"]
    alias = next((value for kind, value in entries if kind == "CNAME"), None)
    if alias is not None:
        return entries_of(data, alias.lower().removesuffix("."), (*seen, name))
    has_txt = any(kind == "TXT" for kind, _ in entries)
    found = []
    for kind, value in entries:
        if value == "NONE" or (kind == "SPF" and has_txt):
            continue
        text = f"{value[0]} {value[1]}" if kind == "MX" else value if isinstance(value, str) else "".join(value)
        found.append(("TXT" if kind == "SPF" else kind, text))
    return found, "TIMEOUT" in data.get(name, [])


@pytest.mark.parametrize(("data", "case"), cases())
async def test_the_suite_of_rfc_7208(data: dict[str, list[Any]], case: dict[str, Any]) -> None:
    zones = zone_of(data)
    of_helo, of_mail_from = await check_spf(case["host"], case["helo"], case["mailfrom"], zones.look_up)
    wanted = case["result"] if isinstance(case["result"], list) else [case["result"]]
    assert of_mail_from.result == wanted[0], of_mail_from.reason
    assert (of_helo.identity, of_mail_from.identity) == (SpfIdentity.HELO, SpfIdentity.MAIL_FROM)
    assert len(zones.asked) <= 2 * MOST_QUESTIONS


def test_that_there_are_so_many_cases() -> None:
    """Not one is lost on the way from the file."""
    assert len(cases()) == 203

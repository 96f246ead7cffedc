"""DMARC by the cases of another program that follows RFC 9989."""

import json
from pathlib import Path
from typing import Any

import pytest
from zones import TROUBLE, Zone

from routerd.auth.dmarc import Identifier, Mechanism, Tree
from routerd.auth.dns_answers import Answer, RecordKind
from routerd.auth.verification import author_domain
from routerd.message.view import MessageView

FILE = json.loads((Path(__file__).parent / "dmarc_cases.json").read_text())


@pytest.mark.parametrize("case", FILE["cases"], ids=lambda case: case["name"])
async def test_it_says_the_same(case: dict[str, Any]) -> None:
    """Where we say something else (`ours`), the case says why."""
    zone = Zone(case["records"])

    async def look_up(name: str, kind: RecordKind) -> Answer:
        return TROUBLE if FILE["dns_trouble_at"] in name else await zone.look_up(name, kind)

    told = {one: case[one] for one in Mechanism if one in case}
    proven, untold = (
        [Identifier(one, domain) for one, (result, domain) in told.items() if result == wanted]
        for wanted in ("pass", "temperror")
    )
    tree = Tree(look_up)
    author = author_domain(MessageView(f"From: hello@{case['author']}\r\n\r\n".encode()))
    found = await tree.judge(await tree.policy_for(author), proven, untold)
    assert found.result == case.get("ours", case["result"]), case.get("why")
    assert found.wish == case.get("wish")

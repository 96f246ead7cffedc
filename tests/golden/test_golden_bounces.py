"""Bounces as mail servers write them: each says what `index.yaml` holds."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from routerd.message.bounce import parse_bounce
from routerd.message.delivery_report import DeliveryReport
from routerd.message.view import MessageView

FOLDER = Path(__file__).parent / "bounces"
INDEX: dict[str, dict[str, Any]] = yaml.safe_load((FOLDER / "index.yaml").read_text())


def test_each_sample_is_in_the_index() -> None:
    assert set(INDEX) == {path.stem for path in FOLDER.glob("*.eml")}


@pytest.mark.parametrize("name", INDEX)
def test_a_bounce_says_whose_mailbox_failed_and_why(name: str) -> None:
    """Which recipient, what became of it, the status and the words, whoever wrote it in whatever form."""
    expected = INDEX[name]
    said = parse_bounce(MessageView((FOLDER / f"{name}.eml").read_bytes()), expected.get("sender", ""))
    if "no_report" in expected:
        assert said == expected["no_report"]
        return
    assert isinstance(said, DeliveryReport)
    assert (said.form, said.reporting_mta) == (expected["form"], expected.get("by", ""))
    assert len(said.recipients) == len(expected["recipients"])
    for recipient, wanted in zip(said.recipients, expected["recipients"], strict=True):
        assert (recipient.address, recipient.action) == (wanted["address"], wanted["action"])
        assert (recipient.status, recipient.original) == (wanted.get("status", ""), wanted.get("original", ""))
        assert wanted.get("says", "") in recipient.diagnostic


@pytest.mark.parametrize("name", INDEX)
def test_a_bounce_with_bare_lf_says_the_same(name: str) -> None:
    """Some servers' line ends get lost on the way."""
    raw, sender = (FOLDER / f"{name}.eml").read_bytes(), INDEX[name].get("sender", "")
    assert parse_bounce(MessageView(raw.replace(b"\r\n", b"\n")), sender) == parse_bounce(MessageView(raw), sender)

"""Messages that others signed, and what is to be said of their signatures."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from routerd.auth.dkim import read_dkim, verify_dkim
from routerd.auth.dns_answers import Records
from routerd.auth.signed_message import SignedMessage
from routerd.message.headers import HeaderBlock

FOLDER = Path(__file__).parent / "dkim"
GIVEN = yaml.safe_load((FOLDER / "cases.yaml").read_text())
AT = datetime(2025, 1, 15, tzinfo=UTC)


@pytest.mark.parametrize(("name", "expected"), GIVEN["cases"].items())
def test_signatures_of_others(name: str, expected: list[str]) -> None:
    """Each has the result that it should, by the domain and with the algorithm that it should."""
    raw = (FOLDER / name).read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    message = SignedMessage(raw, HeaderBlock.scan(raw))
    keys = {name: Records((text,), 60) for name, text in GIVEN["keys"].items()}
    results = verify_dkim(message, read_dkim(message, AT), keys)
    assert [f"{one.result} {one.domain} {one.algorithm}".strip() for one in results] == expected


def test_each_message_has_a_case() -> None:
    """No file lies there for nothing."""
    assert {path.name for path in FOLDER.glob("*.eml")} == set(GIVEN["cases"])

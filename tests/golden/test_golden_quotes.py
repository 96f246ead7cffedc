"""Replies as clients write them in six languages: what of each is new."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from routerd.message.view import MessageView

FOLDER = Path(__file__).parent / "quotes"
LANGUAGES = ("en", "pl", "ar", "de", "fr", "es")
CLIENTS = ("gmail", "outlook", "apple-mail", "thunderbird", "mobile")


@dataclass(frozen=True, slots=True)
class Sample:
    """`new` is what the sender newly wrote; None: the message is seen whole."""

    name: str
    language: str
    client: str
    raw: bytes
    new: str | None


def _load() -> tuple[Sample, ...]:
    index = yaml.safe_load((FOLDER / "index.yaml").read_text(encoding="utf-8"))
    return tuple(
        Sample(
            name=name,
            language=entry["language"],
            client=entry["client"],
            raw=(FOLDER / f"{name}.eml").read_bytes(),
            new=None if entry.get("whole") else (FOLDER / f"{name}.txt").read_text(encoding="utf-8"),
        )
        for name, entry in index.items()
    )


SAMPLES = _load()


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_what_is_new_in_a_reply(sample: Sample) -> None:
    """All that the sender wrote now is left, and nothing else; white space does not count."""
    view = MessageView(sample.raw)
    expected = view.whole_text if sample.new is None else sample.new
    assert view.new_text.split() == expected.split()
    assert view.new_text.strip()


def test_every_client_is_there_in_every_language() -> None:
    """At least two samples each."""
    counted = Counter((sample.language, sample.client) for sample in SAMPLES)
    assert [pair for pair in ((a, b) for a in LANGUAGES for b in CLIENTS) if counted[pair] < 2] == []


def test_the_index_names_every_sample() -> None:
    """No sample lies about untested."""
    named = {sample.name for sample in SAMPLES}
    assert {path.stem for path in FOLDER.glob("*.eml")} == named
    assert {path.stem for path in FOLDER.glob("*.txt")} == {sample.name for sample in SAMPLES if sample.new is not None}

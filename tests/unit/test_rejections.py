"""Every refusal is counted under a word that the README explains."""

import ast
from collections.abc import Iterator
from pathlib import Path

from routerd.desk import refusal
from routerd.intake.protocol.data import Defect
from routerd.ops.metrics import Metrics
from routerd.ops.rejections import OTHER, REASONS, bounded

INTAKE = Path(__file__).parents[2] / "routerd/intake"
# Whose argument at this position is a reason.
POSITIONS = {"CommandRefused": 0, "TurnedAway": 0, "count_refusal": 0, "Declined": 3}


def _reasons_in(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            position = POSITIONS.get(name)
            if position is not None and len(node.args) > position:
                given = node.args[position]
                if isinstance(given, ast.Constant):
                    yield str(given.value)


def test_every_word_in_the_code_has_its_meaning() -> None:
    """Those of intake as its files spell them, of content's defects, and of the router."""
    used = {reason for path in INTAKE.rglob("*.py") for reason in _reasons_in(path.read_text())}
    used |= {defect.value for defect in Defect}
    used |= {one.reason for one in vars(refusal).values() if isinstance(one, refusal.Barred)}
    used |= {refusal.Barred(550, "5.7.1", "no").reason}
    assert len(used) > 30
    assert used <= REASONS.keys()


def test_the_words_are_bounded() -> None:
    """What is none of them is counted as other."""
    assert bounded("syntax") == "syntax"
    assert bounded("PROXY TCP4 \x00") == OTHER


def test_all_are_there_from_the_start() -> None:
    """So that a rate over them sees the first one, too."""
    text = Metrics().exposition().decode()
    assert all(f'routerd_rejections_total{{reason="{reason}"}} 0.0' in text for reason in REASONS)

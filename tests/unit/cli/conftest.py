"""What the tests of commands share."""

from pathlib import Path

import pytest
from filled_desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)

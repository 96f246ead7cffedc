"""Durations as the reference writes them."""

import pytest

from routerd.config.values import format_duration, parse_duration


@pytest.mark.parametrize("text", ["0s", "1s", "90s", "5m", "4h", "5d", "2y"])
def test_written_as_it_is_read(text: str) -> None:
    """The shortest spelling of each; none at all is counted in seconds."""
    assert format_duration(parse_duration(text)) == text

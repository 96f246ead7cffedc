from routerd.intake.limits.counts import OwnCounts
from routerd.intake.limits.refusal_log import IN_ALL, PER_CLIENT, RefusalLog


def test_one_client_gets_a_few_lines_a_minute() -> None:
    """Another one still gets its own; a minute later the rest is told as a number, and lines come again."""
    lines = RefusalLog(OwnCounts(bytes))
    assert [lines.takes("192.0.2.1", 0.0) for _ in range(PER_CLIENT + 5)] == [True] * PER_CLIENT + [False] * 5
    assert lines.takes("192.0.2.2", 1.0)
    assert lines.left_out(59.0) == 0
    assert lines.left_out(61.0) == 5
    assert lines.left_out(200.0) == 0
    assert lines.takes("192.0.2.1", 61.0)


def test_many_clients_get_only_so_many_together() -> None:
    """Whoever has many addresses fills no disk either."""
    lines = RefusalLog(OwnCounts(bytes))
    taken = sum(lines.takes(f"192.0.{number >> 8}.{number & 255}", number / 1000) for number in range(5000))
    assert taken == IN_ALL
    assert lines.left_out(70.0) == 5000 - IN_ALL

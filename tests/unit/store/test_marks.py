"""Marks outlive the process that made them."""

import os
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from store_entries import NOW

from routerd.store.marks import MAX_IN_HAND, MAX_SUSPECTS, InHand, InHandOfWorker


def digest(number: int) -> bytes:
    return sha256(str(number).encode()).digest()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "in-hand"


def die_with(path: Path, *digests: bytes, kind: type[InHand] = InHand) -> None:
    """A process that is gone with these in its hands."""
    child = os.fork()
    if child == 0:
        hands = kind(path, now=NOW)
        for one in digests:
            hands.holding(one).__enter__()
        os._exit(9)
    os.waitpid(child, 0)


def test_what_was_put_down_is_no_suspect(path: Path) -> None:
    """Also when looking at it raised."""
    hands = InHand(path, now=NOW)
    with hands.holding(digest(1)), hands.holding(digest(2)):
        assert not hands.is_suspect(digest(1))
    with pytest.raises(ValueError), hands.holding(digest(3)):
        raise ValueError
    again = InHand(path, now=NOW)
    assert not any(again.is_suspect(digest(number)) for number in (1, 2, 3))


def test_what_a_dead_process_held_is_suspect(path: Path) -> None:
    """From restart to restart, until it is cleared or a week has passed since it was found."""
    die_with(path, digest(1), digest(2))
    for _ in range(3):
        hands = InHand(path, now=NOW + timedelta(days=3))
        assert hands.is_suspect(digest(1))
        assert not hands.is_suspect(digest(3))
    hands.clear(digest(1))
    hands.clear(digest(9))
    hands = InHand(path, now=NOW + timedelta(days=6))
    assert not hands.is_suspect(digest(1))
    assert hands.is_suspect(digest(2))
    assert not InHand(path, now=NOW + timedelta(days=11)).is_suspect(digest(2))


def test_suspects_are_bounded(path: Path) -> None:
    """The newest stay."""
    die_with(path, *map(digest, range(MAX_SUSPECTS)))
    child = os.fork()
    if child == 0:
        InHand(path, now=NOW + timedelta(days=1)).holding(digest(1000)).__enter__()
        os._exit(9)
    os.waitpid(child, 0)
    hands = InHand(path, now=NOW + timedelta(days=2))
    assert hands.is_suspect(digest(1000))
    assert sum(map(hands.is_suspect, map(digest, range(MAX_SUSPECTS)))) == MAX_SUSPECTS - 1


def test_more_than_there_is_room_for_goes_unmarked(path: Path) -> None:
    """And the slots come back."""
    hands = InHand(path, now=NOW)
    for _ in range(3):
        held = [hands.holding(digest(number)) for number in range(MAX_IN_HAND + 10)]
        for one in held:
            one.__enter__()
        for one in held:
            one.__exit__(None, None, None)
    assert not InHand(path, now=NOW).is_suspect(digest(1))


@pytest.mark.parametrize("content", [b"", b"x", b"\xff" * 100_000, b"routerd marks 1\n"])
def test_a_damaged_file_is_begun_anew(path: Path, content: bytes) -> None:
    """Nothing in it is believed."""
    path.write_bytes(content)
    hands = InHand(path, now=NOW)
    assert not hands.is_suspect(b"\xff" * 32)
    die_with(path, digest(1))
    assert InHand(path, now=NOW).is_suspect(digest(1))
    assert path.stat().st_mode & 0o777 in (0o600, 0o644)


def test_a_digest_has_its_length(path: Path) -> None:
    """A short one would free its neighbour's slot."""
    with pytest.raises(ValueError):
        InHand(path, now=NOW).holding(b"short")


# Several processes


def worker_file(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def test_what_a_dead_worker_held_is_suspect_to_all(path: Path) -> None:
    """The holder takes its file over at once, and tells those who work and the one that comes in its place."""
    hands = InHand(path, now=NOW)
    other = InHandOfWorker(worker_file(path, 1), now=NOW)
    die_with(worker_file(path, 0), digest(1), digest(2), kind=InHandOfWorker)
    with other.holding(digest(3)):
        assert hands.take_over(worker_file(path, 0), now=NOW) == {digest(1), digest(2)}
        assert hands.take_over(worker_file(path, 0), now=NOW) == frozenset()
        assert not hands.is_suspect(digest(3))
    anew = InHandOfWorker(worker_file(path, 0), now=NOW)
    for worker in (other, anew):
        assert worker.suspects == frozenset()
        worker.add_suspects(hands.suspects, now=NOW)
        assert worker.is_suspect(digest(2))


def test_what_was_cleared_comes_back_from_nowhere(path: Path) -> None:
    """Of what is suspect there is one list, whoever was told of it; the rest stays for a week over all restarts."""
    die_with(path, digest(1), digest(2))
    hands = InHand(path, now=NOW)
    workers = [InHandOfWorker(worker_file(path, number), now=NOW) for number in range(2)]
    for worker in workers:
        worker.add_suspects(hands.suspects, now=NOW)
    workers[0].clear(digest(1))
    hands.clear(digest(1))
    assert not workers[0].is_suspect(digest(1))
    again = InHand(path, now=NOW + timedelta(days=6))
    assert again.suspects == {digest(2)}
    again.take_over(worker_file(path, 0), now=NOW + timedelta(days=6))
    assert InHand(path, now=NOW + timedelta(days=8)).suspects == frozenset()


def test_files_of_workers_that_are_no_more_are_taken_over(path: Path) -> None:
    """From four workers to two, or to none: what they died over stays suspect, and no file is left."""
    for number in range(4):
        die_with(worker_file(path, number), digest(number), kind=InHandOfWorker)
    worker_file(path, 7).write_bytes(b"nonsense")
    worker_file(path, 8).symlink_to(path.with_name("elsewhere"))
    hands = InHand(path, now=NOW)
    assert hands.suspects == set(map(digest, range(4)))
    assert [found.name for found in path.parent.iterdir()] == [path.name]
    assert InHand(path, now=NOW).suspects == hands.suspects


def test_of_suspects_that_are_told_the_newest_stay(path: Path) -> None:
    """However many a flood of deaths brings."""
    hands = InHand(path, now=NOW)
    hands.add_suspects(map(digest, range(MAX_SUSPECTS)), now=NOW)
    hands.add_suspects([digest(1000)], now=NOW + timedelta(hours=1))
    assert len(hands.suspects) == MAX_SUSPECTS
    assert InHand(path, now=NOW + timedelta(hours=1)).is_suspect(digest(1000))

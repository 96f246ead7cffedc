"""Passwords as they are kept: one hash, the file of them, and what `routerd.yaml` says of it."""

import os
import pwd
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from config_texts import SMALL
from hypothesis import given
from hypothesis import strategies as st

from routerd.config.load import load_settings
from routerd.config.password_file import read_passwords
from routerd.config.password_hash import (
    LEAST_CHARACTERS,
    MOST_OCTETS,
    PasswordError,
    PasswordHash,
    dummy_hash,
    make_hash,
    parse_hash,
    prepared,
)

SALT = b"0123456789abcdef"
# RFC 7914 section 12: scrypt("pleaseletmein", "SodiumChloride", 16384, 8, 1, 64).
RFC_7914 = (
    "$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$"
    "cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofLVQylVYT8Pz2LUlwUkKpr55h6F3A1lHkDfzwF7RVdYhw"
)
GOOD = str(PasswordHash(15, 8, 3, SALT, bytes(32)))
LISTENER = """\
listen:
  - {address: "127.0.0.1:2587", tls: required, auth: required}
tls: {certificate: /nonexistent/pem, key: /nonexistent/pem}
passwords: passwords
"""


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes the file of passwords with a mode; gives its path."""

    def write_text(text: str | bytes, mode: int = 0o600) -> Path:
        path = tmp_path / "passwords"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(mode)
        return path

    return write_text


# One hash


def test_known_hash_is_of_its_password() -> None:
    """The test vector of RFC 7914, as others write it too."""
    kept = parse_hash(RFC_7914)
    assert kept.is_of("pleaseletmein")
    assert not kept.is_of("pleaseletmeIn")
    assert str(kept) == RFC_7914


def test_hash_is_read_as_it_is_written() -> None:
    """It is of its password in any normal form, and of no other; the same password is kept in two ways."""
    kept = parse_hash(str(make_hash("zażółć gęślą", SALT)))
    assert kept.is_of("zażółć\u00a0gęślą")
    assert kept.is_of("zaz\u0307o\u0301łc\u0301 ge\u0328s\u0301la\u0328")
    assert not kept.is_of("Zażółć gęślą")
    assert not dummy_hash(kept, SALT).is_of("zażółć gęślą")


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("a" * (LEAST_CHARACTERS - 1), "fewer than 8"),
        ("", "fewer than 8"),
        (" " * 10, "spaces alone"),
        ("\u3000" * 10, "spaces alone"),
        ("ż" * (MOST_OCTETS // 2 + 1), "more than 1000 octets"),
        ("secret\tsecret", "control character"),
        ("secret\0secret", "control character"),
    ],
)
def test_password_that_is_not_set(password: str, why: str) -> None:
    """Too short to be safe, or nothing a mail client can send; what it was is not said."""
    with pytest.raises(PasswordError, match=why) as error:
        make_hash(password, SALT)
    assert password not in str(error.value) or not password


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is not"),
        ("secret", "is not"),
        ("$2b$12$abcdefghijklmnopqrstuv", "is not"),
        ("$scrypt$ln=15,r=8,p=3$c2FsdHNhbHQ", "is not"),
        (GOOD + "$", "is not"),
        (GOOD + "\n", "is not"),
        (GOOD.replace("ln=15", "ln=-1"), "is not"),
        (GOOD.replace("ln=15", "ln=99"), "too much work"),
        (GOOD.replace("ln=15", "ln=20"), "too much work"),
        (GOOD.replace("r=8", "r=99"), "too much work"),
        (GOOD.replace("p=3", "p=99"), "too much work"),
        (GOOD.replace("r=8", "r=0"), "0"),
        (GOOD.replace("p=3", "p=0"), "0"),
        (GOOD.replace("ln=15", "ln=10"), "guessed too fast"),
        (GOOD.replace("ln=15", "ln=0"), "guessed too fast"),
        (GOOD.replace("ln=15,r=8", "ln=9,r=99"), "guessed too fast"),
        (str(PasswordHash(15, 8, 3, b"short", bytes(32))), "salt"),
        (str(PasswordHash(15, 8, 3, bytes(65), bytes(32))), "salt"),
        (str(PasswordHash(15, 8, 3, SALT, bytes(16))), "hash"),
        (str(PasswordHash(15, 8, 3, SALT, bytes(65))), "hash"),
        (GOOD[:-1] + "B", "base64"),
    ],
)
def test_hash_that_is_not_kept(text: str, why: str) -> None:
    """Another form, one that would take all memory to try, one that is guessed fast: none is ever tried."""
    with pytest.raises(PasswordError, match=why):
        parse_hash(text)


@given(st.binary(min_size=8, max_size=64), st.binary(min_size=32, max_size=64), st.integers(14, 16), st.integers(1, 4))
def test_every_hash_is_read_as_it_is_written(salt: bytes, digest: bytes, ln: int, p: int) -> None:
    kept = PasswordHash(ln, 8, p, salt, digest)
    assert parse_hash(str(kept)) == kept


@given(st.text(), st.text(alphabet=st.characters(categories=("Cs", "Mn", "Zs", "Lu"))))
def test_preparing_never_fails_and_is_done_once(password: str, odd: str) -> None:
    """Whatever a client sends has octets, and what is prepared stays as it is."""
    for text in (password, odd):
        octets = prepared(text)
        assert prepared(octets.decode("utf-8", "surrogatepass")) == octets


# The file


def problems(path: Path, *members: str) -> list[str]:
    return [
        str(problem).removeprefix(f"{path}") for problem in read_passwords(path, members or ("ewa", "jan")).problems
    ]


def test_good_file(write: Write) -> None:
    """Comments, empty lines, white space around, any line ends; a member need not be in it."""
    found = read_passwords(write(f"# ours\n\n  # more\newa:{GOOD}\r\n jan : {RFC_7914} \n"), ("ewa", "jan", "ola"))
    assert found.problems == ()
    assert {member: str(kept) for member, kept in found.hashes.items()} == {"ewa": GOOD, "jan": RFC_7914}


def test_all_problems_at_once(write: Write) -> None:
    """Each with its place and none with what might be a password in the clear."""
    text = f"ewa:{GOOD}\nsecret1\n  jna: {GOOD}\newa:{GOOD}\njan:  secret2\n:{GOOD}\nola:secret3\n"
    found = problems(write(text))
    assert found == [
        ":2:1: not MEMBER:HASH, as 'routerd password MEMBER' writes it",
        ":3:3: no member 'jna'; did you mean 'jan'?",
        ":4:1: 'ewa' has a password already, in line 1",
        ":5:7: what follows the colon is not $scrypt$ln=…,r=…,p=…$SALT$HASH, as 'routerd password' writes it",
        ":6:1: no member ''",
        ":7:1: no member 'ola'",
        ":7:5: what follows the colon is not $scrypt$ln=…,r=…,p=…$SALT$HASH, as 'routerd password' writes it",
    ]
    assert "secret" not in "".join(found)


def test_file_that_is_something_else(write: Write) -> None:
    """It has no end of problems; some of them will do."""
    assert 20 <= len(read_passwords(write("ewe:secret\n" * 20_000), ["ewa"]).problems) < 25


def test_file_that_is_no_text(write: Write) -> None:
    assert problems(write(b"# \newa:\xff\n")) == [":2:1: not UTF-8; save the file as UTF-8"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o622, 0o644, 0o601])
def test_file_that_others_may_use(write: Write, mode: int) -> None:
    path = write(f"ewa:{GOOD}\n", mode)
    assert problems(path) == [f": others than its owner may use it (mode {mode:04o}); run: chmod 600 {path}"]


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_file_that_its_owner_alone_may_use(write: Write, mode: int) -> None:
    assert problems(write(f"ewa:{GOOD}\n", mode)) == []


def test_file_of_somebody_else(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may write it could log in as anybody; root's own file and root's own reading are fine."""
    path = write(f"ewa:{GOOD}\n")
    owner = path.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    expected = f": it belongs to user {owner}, not to us (user {owner + 1}) or root; run: chown {owner + 1} {path}"
    assert problems(path) == ([] if owner == 0 else [expected])
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert problems(path) == []


def test_credentials_of_systemd(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """They may be open to a group, by an access list; never to all."""
    path = write(f"ewa:{GOOD}\n", 0o440)
    monkeypatch.setattr("routerd.config.secret_file.CREDENTIALS", path.parent)
    assert problems(path) == []
    path.chmod(0o444)
    assert len(problems(path)) == 1


def test_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "passwords")
    with pytest.raises(OSError, match="regular file"):
        read_passwords(tmp_path / "passwords")


@given(st.binary(max_size=300))
def test_any_file_is_read(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Whatever stands in it, it is an answer with places inside the file."""
    path = tmp_path_factory.getbasetemp() / "any-passwords"
    path.write_bytes(data)
    path.chmod(0o600)
    lines = data.count(b"\n") + data.count(b"\r") + 1
    for problem in read_passwords(path, ("ewa",)).problems:
        assert 1 <= problem.mark.line <= lines
        assert problem.mark.column >= 1


# In routerd.yaml


def test_problems_of_the_file_are_those_of_the_config(tmp_path: Path, write: Write) -> None:
    """`check`, start and reload say what is wrong in it; `routerd password` asks not to be told."""
    config = tmp_path / "routerd.yaml"
    config.write_text(SMALL + LISTENER)
    write("jna:x\n", 0o644)
    said = [str(problem) for problem in load_settings(config).problems if "/pem" not in problem.message]
    assert [one.partition(" ")[0] for one in said] == [
        f"{tmp_path / 'passwords'}:", f"{tmp_path / 'passwords'}:1:1:", f"{tmp_path / 'passwords'}:1:5:"
    ]  # fmt: skip
    assert all("/pem" in problem.message for problem in load_settings(config, reads_secrets=False).problems)


def test_unused_passwords_are_not_said_where_a_listener_is_wrong(tmp_path: Path) -> None:
    """The listener that cannot be read may be the one that asks for logins."""
    config = tmp_path / "routerd.yaml"
    text = SMALL + LISTENER.replace("auth: required", "auth: requird")
    config.write_text(text)
    said = [problem.message for problem in load_settings(config).problems]
    assert "'requird' is not one of none, required; did you mean 'required'?" in said
    assert not [message for message in said if "has a meaning only" in message]


def test_root_tells_what_the_daemon_cannot_read() -> None:
    """Its user is the owner of `state`; without one nothing is known of it."""
    if os.geteuid() != 0:
        pytest.skip("only root can stand in for others")
    folder = Path(tempfile.mkdtemp(dir="/tmp", prefix="routerd-"))  # tmp_path is closed to others
    folder.chmod(0o755)
    try:
        config, passwords = folder / "routerd.yaml", folder / "passwords"
        config.write_text(f"state: {folder}/state\n" + SMALL + LISTENER)
        passwords.write_text(f"jan:{GOOD}\n")
        passwords.chmod(0o600)

        def told() -> list[str]:
            return [problem.message for problem in load_settings(config).problems if "pem" not in problem.message]

        assert told() == []
        (folder / "state").mkdir()
        assert told() == []
        nobody = pwd.getpwnam("nobody")
        os.chown(folder / "state", nobody.pw_uid, nobody.pw_gid)
        wrong = f"{passwords} cannot be read by user nobody, to whom {folder}/state belongs"
        assert told() == [f"{wrong}; run: chown nobody {passwords}"]
        os.chown(passwords, nobody.pw_uid, nobody.pw_gid)
        assert told() == []
        (folder / "ours").mkdir(0o700)
        config = folder / "ours" / ".." / "routerd.yaml"  # as from a folder where the daemon has no business
        assert told() == []
    finally:
        shutil.rmtree(folder)

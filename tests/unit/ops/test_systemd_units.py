"""The units, judged by systemd itself."""

import configparser
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[3] / "systemd"
HIGHEST_EXPOSURE = 20  # 2.0, in the tenths that --threshold takes


@pytest.fixture
def analyze(need: Callable[[str, str], str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    program = need("systemd-analyze", "systemd")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([program, *arguments], check=False, capture_output=True, text=True, timeout=60)

    return run


def _settings(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters="=", comment_prefixes="#")
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNITS / name)
    return parser


@pytest.mark.parametrize("name", ["routerd.service", "routerd.socket"])
def test_a_unit_is_without_fault(name: str, analyze: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """systemd knows every setting, and says nothing against any."""
    result = analyze("verify", "--man=no", str(UNITS / name))
    ours = [line for line in (result.stdout + result.stderr).splitlines() if "routerd" in line]  # not the machine's
    assert (result.returncode, ours) == (0, [])


def test_verify_finds_a_fault(tmp_path: Path, analyze: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """The test above can fail: a misspelled setting is reported."""
    for unit in UNITS.glob("routerd.s*"):
        shutil.copy(unit, tmp_path)
    service = tmp_path / "routerd.service"
    service.write_text(service.read_text().replace("UMask=", "UMaks="))
    result = analyze("verify", "--man=no", str(service))
    assert "UMaks" in result.stderr


def test_the_service_is_hardened(analyze: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """systemd's own measure of what a taken-over daemon could reach stays at 2.0 or below."""
    result = analyze(
        "security", "--offline=true", "--no-pager", f"--threshold={HIGHEST_EXPOSURE}", str(UNITS / "routerd.service")
    )
    assert result.returncode == 0, result.stdout
    assert "Overall exposure level" in result.stdout


def test_a_worker_that_is_killed_for_memory_stops_no_service() -> None:
    """The daemon replaces it; where the main process is killed, the service is started again."""
    service = _settings("routerd.service")["Service"]
    assert (service["OOMPolicy"], service["Restart"]) == ("continue", "on-failure")


def test_the_service_runs_without_the_socket() -> None:
    """Behind Postfix nothing of routerd listens on port 25: only the socket knows of the service."""
    unit = _settings("routerd.service")
    said = [value for section in ("Unit", "Service", "Install") for value in unit[section].values()]
    assert not [value for value in said if "routerd.socket" in value]
    assert "Sockets" not in unit["Service"]


def test_the_daemon_has_a_user_of_its_own_and_no_capability() -> None:
    """Ports below 1024 come from the socket unit, and the state is the user's alone."""
    service = _settings("routerd.service")["Service"]
    assert (service["User"], service["CapabilityBoundingSet"], service["AmbientCapabilities"]) == ("routerd", "", "")
    assert (service["UMask"], service["StateDirectoryMode"], service["NoNewPrivileges"]) == ("0077", "0700", "yes")
    assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert service["Type"] == "notify"
    socket = _settings("routerd.socket")["Socket"]
    assert (socket["FileDescriptorName"], socket["Accept"]) == ("smtp", "no")


def test_user_and_folders_are_as_systemd_reads_them(
    tmp_path: Path, need: Callable[[str, str], str], need_root: Callable[[str], None]
) -> None:
    """sysusers makes the user, tmpfiles the folders for him, in a root of the test's own."""
    sysusers, tmpfiles = need("systemd-sysusers", "systemd"), need("systemd-tmpfiles", "systemd")
    need_root("systemd-tmpfiles")
    (tmp_path / "etc").mkdir()
    subprocess.run([sysusers, f"--root={tmp_path}", str(UNITS / "routerd.sysusers.conf")], check=True, timeout=60)
    [user] = [line for line in (tmp_path / "etc/passwd").read_text().splitlines() if line.startswith("routerd:")]
    uid, gid, home, shell = (user.split(":")[position] for position in (2, 3, 5, 6))
    assert (home, shell) == ("/var/lib/routerd", "/usr/sbin/nologin")
    command = [tmpfiles, "--create", f"--root={tmp_path}", str(UNITS / "routerd.tmpfiles.conf")]
    subprocess.run(command, check=True, timeout=60)
    found = {name: (tmp_path / name).stat() for name in ("etc/routerd", "etc/routerd/rules.d", "var/lib/routerd")}
    assert [oct(one.st_mode & 0o777) for one in found.values()] == ["0o750", "0o750", "0o700"]
    assert found["var/lib/routerd"].st_uid == int(uid)
    assert found["etc/routerd"].st_gid == int(gid)

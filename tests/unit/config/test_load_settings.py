"""From a file to settings: values, paths, defaults, and files that it names."""

import datetime
import ipaddress
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from config_texts import FULL, SMALL
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from routerd.config.load import Loaded, NoConfigError, find_config, load_settings
from routerd.config.settings import Days, HostPort, Pick, Settings, TlsPolicy
from routerd.message.address import Address, parse_address

Load = Callable[[str], Loaded]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Writes a config file into the test's folder and loads it, on a machine called mx1.example.com."""

    def write_and_load(text: str) -> Loaded:
        path = tmp_path / "routerd.yaml"
        path.write_bytes(text.encode())
        return load_settings(path, machine_name=lambda: "mx1.example.com")

    return write_and_load


def right(loaded: Loaded) -> Settings:
    assert loaded.problems == ()
    assert loaded.settings is not None
    return loaded.settings


def said(loaded: Loaded) -> list[str]:
    assert loaded.settings is None
    return [f"{one.mark.line}:{one.mark.column}: {one.message}" for one in loaded.problems]


def test_the_full_example_is_read_as_written(load: Load) -> None:
    """Every key of the example config arrives as the value that is meant."""
    found = right(load(FULL))
    assert found.listen[0].address == HostPort("0.0.0.0", 25)
    assert [listener.name for listener in found.listen] == ["0.0.0.0:25", "127.0.0.1:10025", "submission"]
    assert found.trusted_networks[1] == ipaddress.ip_network("::1/128")
    assert found.limits.memory == 512_000_000
    assert found.members["ewa"].away == (Days(date(2026, 12, 20), date(2027, 1, 2)),)
    assert found.members["ewa"].addresses == (Address("ewa.nowak", "example.com"),)
    assert found.teams["duty"].pick is Pick.FIRST
    assert found.delivery[0].tls is TlsPolicy.REQUIRED
    assert found.delivery[0].trusts_us
    assert found.delivery[3].smtp == (HostPort("smart.example.net", 587), HostPort("2001:db8::1", 587))
    assert found.retain.events == timedelta(days=730)
    assert found.own_addresses == {"support@example.com", "help@example.com", "billing@example.com"}


def test_what_is_absent_has_its_default(load: Load) -> None:
    """A file with the required keys only is complete, and is named after the machine."""
    found = right(load(SMALL))
    assert found.hostname == "mx1.example.com"
    assert found.state == Path("/var/lib/routerd")
    assert found.listen[0].address == HostPort("127.0.0.1", 2525)
    assert found.tls is None


def test_paths_are_relative_to_the_file(load: Load, tmp_path: Path) -> None:
    """State, rules, Maildirs, sockets and password files are looked for beside the config, wherever one stands."""
    (tmp_path / "smart").write_text("secret\n")
    text = SMALL.replace(
        '  - {domain: "*", smtp: "mail.example.com:25"}',
        """\
  - {domain: a.test, maildir: "mail/{local}"}
  - {domain: b.test, lmtp: "unix:run/lmtp"}
  - {domain: "*", smtp: "mail.example.com:25", tls: required, auth: {user: me, password_file: smart}}
state: state""",
    )
    found = right(load(text))
    assert found.state == tmp_path / "state"
    assert found.rules == tmp_path / "rules.d"
    assert found.delivery[0].maildir_of(parse_address("ewa@a.test")) == tmp_path / "mail" / "ewa"
    assert found.delivery[1].lmtp == f"unix:{tmp_path}/run/lmtp"
    assert found.delivery[2].auth is not None
    assert found.delivery[2].auth.password_file == tmp_path / "smart"


def test_inboxes_are_keyed_in_lower_case(load: Load) -> None:
    """An inbox has one key, however its address is written; its domain may be in its own script."""
    found = right(load(SMALL.replace("support@example.com", "Support@Müller.example")))
    assert list(found.inboxes) == ["support@xn--mller-kva.example"]


def test_plain_words_stay_text(load: Load) -> None:
    """`no`, `0755` and `22:22` are what they look like where text goes."""
    text = (
        SMALL.replace("jan: {mailbox", "no: {name: 0755, mailbox")
        .replace(": jan", ": no")
        .replace("default: jan", "default: no")
    )
    found = right(load(text))
    assert found.members["no"].name == "0755"
    assert found.postmaster == "no"


def test_names_may_be_in_any_script(load: Load) -> None:
    """A member or team may be called what its people call it."""
    text = (
        SMALL.replace("jan: {", "łucja: {")
        .replace("default: jan", "default: المالية")
        .replace("postmaster: jan", "postmaster: łucja")
    )
    found = right(load(text + "teams:\n  المالية: {members: [łucja]}\n"))
    assert found.teams["المالية"].members == ("łucja",)


def test_machine_name_that_is_no_domain_is_a_problem(tmp_path: Path) -> None:
    """Where `hostname` is absent and the machine's own name cannot be used, the user is told to set it."""
    path = tmp_path / "routerd.yaml"
    path.write_text(SMALL)
    assert said(load_settings(path, machine_name=lambda: "my_box")) == [
        "1:1: 'hostname' is missing, and the machine's own name 'my_box' is no domain: "
        "domain has a label that is not letters, digits and hyphens"
    ]


def test_machine_name_is_not_asked_where_hostname_stands(tmp_path: Path) -> None:
    """A resolver that hangs cannot delay a config that names its host."""
    path = tmp_path / "routerd.yaml"
    path.write_text("hostname: mx9.example.com\n" + SMALL)
    assert right(load_settings(path, machine_name=lambda: pytest.fail("asked"))).hostname == "mx9.example.com"


def test_one_wrong_value_hides_no_other_problem(load: Load) -> None:
    """A team with a wrong `pick` still has its members, fallback and the routes of their mailboxes checked."""
    text = SMALL.replace('domain: "*"', "domain: example.org").replace("default: jan", "default: team")
    assert said(load(text + "teams:\n  team: {members: [jon], pick: firts, fallback: jann}\n")) == [
        "3:18: no route under 'delivery' fits jan@example.com; add one for example.com",
        "9:20: no member 'jon'; did you mean 'jan'?",
        "9:32: 'firts' is not one of round_robin, first, random, least_loaded, last; did you mean 'first'?",
        "9:49: no member or team 'jann'; did you mean 'jan'?",
    ]


def test_a_wrong_entry_moves_no_place_of_those_behind_it(load: Load) -> None:
    """When one route cannot be used at all, the problems of the next ones are still shown where they stand."""
    text = SMALL.replace("delivery:\n", 'delivery:\n  - {smtp: "a.test:25"}\n  - {domain: b.test}\n')
    assert said(load(text)) == [
        "7:5: 'domain' is missing in this route",
        "8:5: a route needs one of 'smtp', 'lmtp', 'maildir' and 'mx: true'",
    ]


def test_what_only_follows_is_not_said(load: Load) -> None:
    """A member with a wrong mailbox is still a member; a wrong transport is not also a missing one."""
    text = SMALL.replace("jan@example.com", "jan at example.com").replace("mail.example.com:25", "mail.example.com")
    assert said(load(text)) == [
        "3:18: 'jan at example.com' is not a mail address: address without a domain",
        "7:25: 'mail.example.com' is not HOST:PORT, such as mail.example.com:25",
    ]


@pytest.mark.parametrize(("written", "read"), [("1", 1), ("'8'", 8), ("auto", "auto")])
def test_workers_are_a_number_or_what_the_cores_are_enough_for(load: Load, written: str, read: int | str) -> None:
    """`auto` is settled by the machine that it runs on."""
    assert right(load(f"{SMALL}workers: {written}\n")).workers == read


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("0", "'0'"),
        ("65", "'65'"),
        ("-1", "'-1'"),
        ("1.5", "'1.5'"),
        ("many", "'many'"),
        ("null", "'null'"),
        ("[2]", "a list"),
        ("{auto: 2}", "a mapping"),
    ],
)
def test_there_are_neither_none_nor_very_many_workers(load: Load, written: str, shown: str) -> None:
    """The sentence says how many there may be."""
    assert said(load(f"{SMALL}workers: {written}\n")) == [
        f"8:10: 'workers' takes a whole number from 1 to 64, or auto, not {shown}",
    ]


def test_both_families_may_have_the_same_port(load: Load) -> None:
    """`0.0.0.0:25` and `[::]:25` are the usual way to listen on both."""
    right(load(SMALL + 'listen: [{address: "0.0.0.0:25"}, {address: "[::]:25"}]\n'))


def test_an_unreadable_file_is_a_problem(tmp_path: Path) -> None:
    """A config that is not there, or is a folder, is said with its name, without a place in it, and never raised."""
    loaded = load_settings(tmp_path / "none.yaml")
    assert not loaded.is_readable
    assert list(map(str, loaded.problems)) == [f"{tmp_path}/none.yaml: cannot be read: No such file or directory"]
    assert list(map(str, load_settings(tmp_path).problems)) == [f"{tmp_path}: cannot be read: Is a directory"]


def test_credentials_need_not_be_there_before_the_service_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`check` passes over files that systemd hands to the service; the service itself insists on them."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    folder = "/run/credentials/routerd.service"
    path = tmp_path / "routerd.yaml"
    auth = f"tls: required, auth: {{user: us, password_file: {folder}/smart}}"
    tls = f"hostname: mx1.example.com\ntls: {{certificate: {folder}/tls.crt, key: {folder}/tls.key}}\n"
    path.write_text(SMALL.replace(':25"}', f':25", {auth}}}') + tls)
    assert load_settings(path).problems == ()
    refused = [
        f"{folder}/{name} cannot be read: No such file or directory; does the unit have LoadCredential={name}:FILE?"
        for name in ("smart", "tls.crt", "tls.key")
    ]
    assert [one.message for one in load_settings(path, in_service=True).problems] == refused
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", folder)
    assert [one.message for one in load_settings(path).problems] == refused


@given(text=st.text(st.sampled_from("abjn:{}[]-, \n\"'#&*!|>@%é\u200f\x00\t0"), max_size=120))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_text_raises(load: Load, text: str) -> None:
    """Whatever stands in the file, there are problems with places or settings, never an exception."""
    for whole in (text, SMALL + text, SMALL.replace("jan@example.com}", text)):
        loaded = load(whole)
        assert (loaded.settings is None) == bool(loaded.problems)


MUTATIONS = st.sampled_from(
    ["", "[]", "{}", "[[]]", "{a: b}", "5", "''", "' '", "[{}]", "jan", "*", '"*"', "-1", "\u202e"]
)


@given(data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_value_raises(load: Load, data: st.DataObject) -> None:
    """Any value in the place of any other one gives problems or settings, never an exception."""
    words = FULL.split(" ")
    at = data.draw(st.integers(0, len(words) - 1))
    words[at] = data.draw(MUTATIONS) + ("\n" if "\n" in words[at] else "")
    load(" ".join(words))


def make_pair(folder: Path, name: str, encryption: KeySerializationEncryption) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mx1.example.com")])
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / f"{name}.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))


@pytest.fixture
def pairs(tmp_path: Path) -> Iterator[Path]:
    make_pair(tmp_path, "one", NoEncryption())
    make_pair(tmp_path, "two", BestAvailableEncryption(b"secret"))
    return tmp_path


def test_certificate_and_key_are_really_loaded(load: Load, pairs: Path) -> None:
    """A pair that fits is taken; one that does not, and a key with a passphrase, are said where the key stands."""
    found = right(load(SMALL + "tls: {certificate: one.pem, key: one.key}\n"))
    assert found.tls is not None
    assert found.tls.key == pairs / "one.key"
    make_pair(pairs, "other", NoEncryption())
    assert said(load(SMALL + "tls: {certificate: one.pem, key: other.key}\n")) == [
        f"8:34: the key {pairs}/other.key is not the key of the certificate {pairs}/one.pem"
    ]
    assert said(load(SMALL + "tls: {certificate: two.pem, key: two.key}\n")) == [
        f"8:34: {pairs}/two.key is protected by a passphrase; store the key without one"
    ]


def test_a_folder_that_is_closed_to_us_has_no_config(monkeypatch: pytest.MonkeyPatch) -> None:
    """As root's home is, where `sudo -u routerd routerd queue list` is said; a fixed place tells itself why not."""

    def closed(place: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(place))

    monkeypatch.delenv("ROUTERD_CONFIG", raising=False)
    monkeypatch.setattr(Path, "is_file", closed)
    assert find_config(None) == Path("/etc/routerd/routerd.yaml")


def test_find_config_takes_the_first_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """-c wins over $ROUTERD_CONFIG, that over ./routerd.yaml."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "routerd.yaml").write_text(SMALL)
    monkeypatch.delenv("ROUTERD_CONFIG", raising=False)
    assert find_config(None) == Path("routerd.yaml")
    monkeypatch.setenv("ROUTERD_CONFIG", "/srv/other.yaml")
    assert find_config(None) == Path("/srv/other.yaml")
    assert find_config(Path("mine.yaml")) == Path("mine.yaml")


def test_find_config_names_all_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no config, the message says what was looked at."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ROUTERD_CONFIG", raising=False)
    monkeypatch.setattr("routerd.config.load.USUAL_PLACES", (Path("routerd.yaml"), tmp_path / "etc/routerd.yaml"))
    with pytest.raises(NoConfigError) as caught:
        find_config(None)
    for place in ("-c/--config", "$ROUTERD_CONFIG", "./routerd.yaml", f"{tmp_path}/etc/routerd.yaml"):
        assert place in str(caught.value)

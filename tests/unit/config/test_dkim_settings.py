"""`dkim:` and the files that it names."""

import subprocess
from pathlib import Path

import pytest
from config_texts import SMALL

from routerd.config.load import load_settings
from routerd.config.settings import DkimKey
from routerd.message.dkim_keys import KeyKind, new_private_key

LINE = SMALL.count("\n") + 2  # of the first key


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "dkim.key"
    path.write_bytes(new_private_key(KeyKind.ED25519))
    path.chmod(0o600)
    return path


def load(folder: Path, *keys: str, reads_secrets: bool = True) -> list[str]:
    config = folder / "routerd.yaml"
    config.write_text(SMALL + "dkim:\n" + "".join(f"  - {{{key}}}\n" for key in keys))
    loaded = load_settings(config, machine_name=lambda: "mx1.example.com", reads_secrets=reads_secrets)
    return [f"{one.mark.line - LINE}:{one.mark.column}: {one.message}" for one in loaded.problems]


def test_keys_are_read(tmp_path: Path, key: Path) -> None:
    """Names in lower case and A-labels, the file relative to the config; two keys of a domain are fine."""
    entries = (
        "domain: Żaba.Test, selector: S2026, key: dkim.key",
        "domain: xn--aba-22a.test, selector: b, key: dkim.key",
    )
    assert load(tmp_path, *entries) == []
    settings = load_settings(tmp_path / "routerd.yaml").settings
    assert settings is not None
    assert settings.dkim[0] == DkimKey(domain="xn--aba-22a.test", selector="s2026", key=key)


def test_what_is_wrong_with_names(tmp_path: Path, key: Path) -> None:
    """Each wrong name is said at its place; a key twice, too many of one domain, and a name that DNS cannot hold."""
    long = ".".join("a" * 60 for _ in range(4))
    assert load(
        tmp_path,
        "domain: example.com, selector: a, key: dkim.key",
        "domain: example.com, selector: A, key: dkim.key",
        "domain: example.com, selector: 'a b', key: dkim.key",
        "domain: example.com, key: dkim.key",
        f"domain: {long}, selector: a, key: dkim.key",
        "domain: '[192.0.2.1]', selector: a, key: dkim.key",
        "domain: example.com, selector: b, key: dkim.key",
        "domain: example.com, selector: c, key: dkim.key",
    ) == [
        f"1:37: the key a._domainkey.example.com is named twice; first at line {LINE}",
        "2:37: 'a b' is not a selector: letters, digits and hyphens, such as s2026",
        "3:5: 'selector' is missing in this key",
        f"4:{len(long) + 26}: a._domainkey.{long} is longer than the 253 characters that a name in DNS may have",
        "5:14: [192.0.2.1] is an address; a key belongs to a domain",
        "7:37: example.com has more than 3 keys, and each message would bear as many signatures; at most 3 are made",
    ]  # fmt: skip


def test_what_is_wrong_with_files(tmp_path: Path, key: Path) -> None:
    """A file that is not there, is no key, is too small to be believed, or that anybody may read."""
    (tmp_path / "small.key").write_bytes(
        subprocess.run(["openssl", "genrsa", "512"], check=True, capture_output=True).stdout
    )
    (tmp_path / "text.key").write_text("hello")
    for name in ("small.key", "text.key"):
        (tmp_path / name).chmod(0o600)
    key.chmod(0o644)
    entry = "domain: example.com, selector: s{}, key: {}"
    files = ("none.key", "small.key", "text.key", "dkim.key")
    entries = [entry.format(number, file).replace("example", f"e{number}") for number, file in enumerate(files)]
    assert load(tmp_path, *entries) == [
        f"0:41: {tmp_path}/none.key cannot be read: No such file or directory; 'routerd dkim keygen' makes it",
        f"1:41: {tmp_path}/small.key cannot sign: it has 512 bits; "
        "others believe RSA keys that have between 1024 and 4096 (best 2048)",
        f"2:41: {tmp_path}/text.key cannot sign: it holds no private key in PEM",
        f"3:41: {tmp_path}/dkim.key: others than its owner may use it (mode 0644); run: chmod 600 {tmp_path}/dkim.key",
    ]
    assert load(tmp_path, *entries, reads_secrets=False) == []


def test_credentials_are_awaited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What systemd hands to the service need not be there for `check`, but for the service."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    entry = "domain: example.com, selector: a, key: /run/credentials/routerd.service/dkim"
    assert load(tmp_path, entry) == []
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/routerd.service")
    [wrong] = load(tmp_path, entry)
    assert wrong.endswith("does the unit have LoadCredential=dkim:FILE?")

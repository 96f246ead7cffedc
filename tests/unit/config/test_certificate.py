"""Until when a certificate is good."""

from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from peers.certificate import make_certificate

from routerd.config.certificate import good_until, trouble_ahead

with TemporaryDirectory() as folder:
    PEM = make_certificate(Path(folder), "mx1.example.com")[0].read_bytes()
NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize("days", [-30, 1, 400, 365 * 40, 365 * 200])
def test_read_from_the_file(tmp_path: Path, days: int) -> None:
    """Before and from 2050 on DER writes it in two ways; a key before it and a chain behind it do not matter."""
    good_for = timedelta(days=days)
    certificate, key = make_certificate(tmp_path, "mx1.example.com", good_for)
    wanted = datetime.now(UTC) + good_for
    another, _ = make_certificate(tmp_path, "ca.example.com", timedelta(days=5000))
    until = good_until(key.read_bytes() + certificate.read_bytes() + another.read_bytes())
    assert until is not None
    assert abs(until - wanted) < timedelta(minutes=5)


@given(st.integers(0, 2000), st.binary(min_size=1, max_size=3))
def test_what_is_no_certificate(at: int, octets: bytes) -> None:
    """Whatever a file holds, it raises nothing."""
    der = b64decode(PEM.split(b"-----")[2])
    for spoilt in (der[:at], der[:at] + octets + der[at + len(octets) :]):
        good_until(b"-----BEGIN CERTIFICATE-----" + b64encode(spoilt) + b"-----END CERTIFICATE-----")
    good_until(PEM[:at] + octets + PEM[at:])
    assert good_until(PEM[:400]) is None


def test_what_is_said_of_it() -> None:
    """In its last two weeks and after them."""
    assert trouble_ahead(NOW + timedelta(days=15), NOW) is None
    assert trouble_ahead(NOW + timedelta(days=13, hours=2), NOW) == "expires on 2026-11-14, in 13 days"
    assert trouble_ahead(NOW - timedelta(hours=1), NOW) == "expired on 2026-10-31"

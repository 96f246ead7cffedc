"""What we write of a client into Authentication-Results: others read it as we do."""

import pytest

from routerd.auth.our_results import our_results, results_value
from routerd.auth.results import parse_results
from routerd.message.envelope import Client, ClientFindings, Protocol

STRANGER = Client("192.0.2.1", 1, "c", Protocol.SMTP, "l")
NAMED = Client("2001:db8::1", 1, "c", Protocol.SMTP, "l", findings=ClientFindings("pass", "mail.klient.pl"))


@pytest.mark.parametrize(
    ("client", "login", "value"),
    [
        (STRANGER, None, "mx1.example.com; none"),
        (STRANGER, "ewa@example.com", "mx1.example.com; auth=pass smtp.auth=ewa@example.com"),
        (STRANGER, '"e w"@example.com', r'mx1.example.com; auth=pass smtp.auth="\"e w\"@example.com"'),
        (
            NAMED,
            "ewa@example.com",
            'mx1.example.com; auth=pass smtp.auth=ewa@example.com; iprev=pass policy.iprev="2001:db8::1"',
        ),
    ],
)
def test_results_are_written_as_they_are_read(client: Client, login: str | None, value: str) -> None:
    """RFC 8601 2.2 and 2.7: a method each, `none` without any; what is no token or address is in quotes."""
    ours = our_results(client, login)
    assert results_value("mx1.example.com", ours) == value
    assert parse_results(value.encode()) == ("mx1.example.com", ours)

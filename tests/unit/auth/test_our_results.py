"""What we verified ourselves, as Authentication-Results says it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerd.auth.our_results import our_results, results_value
from routerd.auth.results import MethodResult, believed_results, parse_results
from routerd.message.envelope import Client, ClientFindings, Protocol
from routerd.message.view import MessageView

CLIENT = Client("192.0.2.7", 4711, "mail.klient.pl", Protocol.SMTP, "smtp")


def of(client: Client) -> str:
    return results_value("mx1.example.com", our_results(client, None))


def test_nothing_tried_is_none() -> None:
    """RFC 8601 2.2: no-result."""
    assert of(CLIENT) == "mx1.example.com; none"


@pytest.mark.parametrize(
    ("address", "iprev", "value"),
    [
        ("192.0.2.7", "pass", "iprev=pass policy.iprev=192.0.2.7"),
        ("2001:db8::7", "temperror", 'iprev=temperror policy.iprev="2001:db8::7"'),
    ],
)
def test_the_reverse_name(address: str, iprev: str, value: str) -> None:
    """RFC 8601 2.7.3; an IPv6 address is no token, so it stands in quotes."""
    client = replace(CLIENT, address=address, findings=ClientFindings(iprev))
    assert of(client) == f"mx1.example.com; {value}"


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1))
def test_every_value_is_read_as_it_was_said(value: str) -> None:
    results = (MethodResult("auth", "pass", (("smtp.auth", value),)), MethodResult("iprev", "fail"))
    assert parse_results(results_value("mx1.example.com", results).encode()) == ("mx1.example.com", results)


def test_what_we_found_counts_above_what_a_hop_says() -> None:
    """Of a method that we tried; of others the hop is believed."""
    view = MessageView(b"From: a@b.c\r\nAuthentication-Results: mx; iprev=fail; spf=pass\r\n\r\n")
    ours = (MethodResult("iprev", "pass"),)
    assert believed_results(view, True, ["mx"], ours).by_method == {"iprev": "pass", "spf": "pass"}
    assert believed_results(view, False, ["mx"], ours).by_method == {"iprev": "pass"}


def test_reasons_are_quoted_and_nothing_in_them_ends_the_field() -> None:
    """They may hold what strangers' records say."""
    found = MethodResult("spf", "permerror", (("smtp.mailfrom", 'a"b@klient.pl'),), 'no "; dkim=pass" \\ here')
    value = results_value("mx1.example.com", (found,))
    assert parse_results(value.encode()) == ("mx1.example.com", (found,))


def test_the_field_has_an_end() -> None:
    """Whole results, the first ones, however many signatures a message bears and however long their names are."""
    long = [
        MethodResult("dkim", "fail", (("header.d", f"{number}.{'a' * 5_000}"),), "x" * 5_000) for number in range(50)
    ]
    value = results_value("mx1.example.com", long)
    assert len(value) <= 4_000
    _, results = parse_results(value.encode())
    assert 5 <= len(results) < 50
    assert all(one.result == "fail" and len(one.properties) == 1 for one in results)

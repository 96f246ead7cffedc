"""Evaluating SPF: what the suite of RFC 7208 leaves open, trouble, and records that mean harm."""

from time import process_time

import pytest
from spf_zones import Zones

from routerd.auth.spf import MAX_REASON, SpfIdentity, SpfResult, check_spf

CLIENT = "192.0.2.1"
CLIENT_V6 = "2001:db8::1"
MOST_QUESTIONS = 1 + 10 + 10 * 10 + 11


def zones_of(record: str, **others: list[str] | None) -> Zones:
    """`record` is klient.pl's; others are `A_mx_klient_pl=[…]`, None for trouble."""
    records: dict[tuple[str, str], list[str] | None] = {("klient.pl", "TXT"): [record]}
    for key, values in others.items():
        kind, _, name = key.partition("_")
        records[name.replace("_", "."), kind] = values
    return Zones(records)


async def of_sender(
    zones: Zones, *, client: str = CLIENT, helo: str = "[192.0.2.1]", sender: str = "jan@klient.pl"
) -> SpfResult:
    return (await check_spf(client, helo, sender, zones.look_up))[1]


async def test_both_identities() -> None:
    """The client's name and the sender have records of their own (RFC 7208 2.3, 2.4)."""
    zones = zones_of("v=spf1 -all", TXT_mx_klient_pl=["v=spf1 ip4:192.0.2.0/24 -all"])
    assert await check_spf(CLIENT, "mx.klient.pl", "jan@klient.pl", zones.look_up) == (
        SpfResult("pass", SpfIdentity.HELO, "mx.klient.pl", "ip4:192.0.2.0/24 of mx.klient.pl"),
        SpfResult("fail", SpfIdentity.MAIL_FROM, "klient.pl", "-all of klient.pl"),
    )


async def test_the_sender_comes_first() -> None:
    """Whoever gives `look_up` so much time and no more has the answer that DMARC needs."""
    zones = zones_of("v=spf1 a -all", TXT_mx_klient_pl=["v=spf1 a -all"])
    await check_spf(CLIENT, "mx.klient.pl", "jan@klient.pl", zones.look_up)
    assert [name for name, _ in zones.asked] == ["klient.pl", "klient.pl", "mx.klient.pl", "mx.klient.pl"]


async def test_the_null_sender() -> None:
    """It is judged by the client's name, and nothing is asked twice (RFC 7208 2.4)."""
    zones = zones_of("v=spf1 ip4:192.0.2.0/24 -all")
    of_helo, of_mail_from = await check_spf(CLIENT, "klient.pl", "", zones.look_up)
    assert (of_helo.result, of_mail_from.result) == ("pass", "pass")
    assert (of_mail_from.identity, of_mail_from.domain) == (SpfIdentity.MAIL_FROM, "klient.pl")
    assert zones.asked == [("klient.pl", "TXT")]


@pytest.mark.parametrize(
    "domain",
    ["", "localhost", "[192.0.2.1]", "192.0.2.1", "a..pl", ".pl", "x" * 64 + ".pl", "a b.pl", "a.pl\n", "-", "ż☃.pl",
     "a." * 127 + "pl", "\ud800.pl", "a/b.pl", "a\\.pl"],
)  # fmt: skip
async def test_what_is_no_domain_is_none(domain: str) -> None:
    """And nothing is asked (RFC 7208 4.3)."""
    zones = zones_of("v=spf1 -all")
    results = await check_spf(CLIENT, domain, f"jan@{domain}", zones.look_up)
    assert [one.result for one in results] == ["none", "none"]
    assert not zones.asked


async def test_a_client_that_names_an_address_in_ehlo() -> None:
    """Its domain is not the client's name."""
    zones = zones_of("v=spf1 +all")
    assert (await check_spf(CLIENT, "postmaster@klient.pl", "", zones.look_up))[0].result == "none"


@pytest.mark.parametrize("client", ["", "unknown", "300.1.1.1"])
async def test_without_an_address_there_is_nothing_to_check(client: str) -> None:
    """Such as of a unix socket."""
    assert (await of_sender(zones_of("v=spf1 -all"), client=client)).result == "none"


@pytest.mark.parametrize(
    "sender", ["jan@KLIENT.pl", "jan@klient.pl.", '"jan@x"@klient.pl', "@klient.pl", "żółć@klient.pl"]
)
async def test_the_domain_of_a_sender(sender: str) -> None:
    result = await of_sender(zones_of("v=spf1 -all"), sender=sender)
    assert (result.result, result.domain) == ("fail", "klient.pl")


async def test_a_domain_in_utf_8() -> None:
    """Asked for in A-labels (RFC 8616 4)."""
    zones = Zones(
        {
            ("xn--kda8y.pl", "TXT"): ["v=spf1 exists:%{d}.x.example.com"],
            ("xn--kda8y.pl.x.example.com", "A"): ["127.0.0.2"],
        }
    )
    result = await of_sender(zones, sender="jan@ÓŻ.pl")
    assert (result.result, result.domain) == ("pass", "xn--kda8y.pl")


async def test_a_local_part_in_utf_8_matches_nothing() -> None:
    """RFC 8616 4: no name is made of it."""
    zones = zones_of("v=spf1 exists:%{l}.x.pl exists:%{L}.x.pl exists:%{s}.x.pl ~all")
    assert (await of_sender(zones, sender="żółć@klient.pl")).result == "softfail"
    assert zones.asked == [("klient.pl", "TXT")]


async def test_an_ipv4_client_in_ipv6() -> None:
    """RFC 7208 5: it is an IPv4 client."""
    zones = zones_of("v=spf1 ip6:::/0 a ~all", A_klient_pl=["192.0.2.1"])
    result = await of_sender(zones, client="::ffff:192.0.2.1")
    assert (result.result, result.reason) == ("pass", "a of klient.pl")


@pytest.mark.parametrize(
    ("record", "others"),
    [
        ("v=spf1 a:x.klient.pl +all", {"A_x_klient_pl": None}),
        ("v=spf1 exists:x.klient.pl +all", {"A_x_klient_pl": None}),
        ("v=spf1 mx +all", {"MX_klient_pl": None}),
        ("v=spf1 mx +all", {"MX_klient_pl": ["10 x.klient.pl"], "A_x_klient_pl": None}),
        ("v=spf1 include:x.klient.pl +all", {"TXT_x_klient_pl": None}),
        ("v=spf1 redirect=x.klient.pl", {"TXT_x_klient_pl": None}),
    ],
)
async def test_trouble_with_dns_is_temperror(record: str, others: dict[str, list[str] | None]) -> None:
    """Whatever stands behind it (RFC 7208 5), and the reason says which question it was."""
    result = await of_sender(zones_of(record, **others))
    assert result.result == "temperror"
    assert "SERVFAIL" in result.reason


async def test_trouble_with_the_record_itself_is_temperror() -> None:
    zones = Zones({("klient.pl", "TXT"): None})
    assert (await of_sender(zones)).result == "temperror"


async def test_trouble_behind_a_match_is_not_met() -> None:
    """What decides is not asked beyond."""
    zones = zones_of("v=spf1 ip4:192.0.2.1 a:x.klient.pl -all", A_x_klient_pl=None)
    assert (await of_sender(zones)).result == "pass"


async def test_trouble_with_the_clients_names() -> None:
    """A name that cannot be asked for is passed over, and without any there is none (RFC 7208 5.5, 7.3)."""
    names = {"A_x_klient_pl": None, "A_y_klient_pl": ["192.0.2.1"]}
    known = zones_of("v=spf1 ptr -all", **{"PTR_1_2_0_192_in-addr_arpa": ["x.klient.pl", "y.klient.pl"], **names})
    assert (await of_sender(known)).result == "pass"
    unknown = zones_of(
        "v=spf1 ptr exists:%{p}.x.pl -all", **{"PTR_1_2_0_192_in-addr_arpa": None, "A_unknown_x_pl": ["127.0.0.2"]}
    )
    result = await of_sender(unknown)
    assert (result.result, result.reason) == ("pass", "exists:%{p}.x.pl of klient.pl")


async def test_the_clients_names_are_asked_once() -> None:
    zones = zones_of(
        "v=spf1 ptr ptr:x.pl exists:%{p}.%{p}.x.pl exists:%{p}.y.pl -all",
        **{"PTR_1_2_0_192_in-addr_arpa": ["z.pl"] * 50, "A_z_pl": [CLIENT]},
    )
    assert (await of_sender(zones)).result == "fail"
    assert zones.asked.count(("1.2.0.192.in-addr.arpa", "PTR")) == 1
    assert zones.asked.count(("z.pl", "A")) == 10


async def test_names_of_the_client_that_end_alike() -> None:
    """evilklient.pl is not within klient.pl."""
    zones = zones_of(
        "v=spf1 ptr ~all", **{"PTR_1_2_0_192_in-addr_arpa": ["evilklient.pl"], "A_evilklient_pl": [CLIENT]}
    )
    assert (await of_sender(zones)).result == "softfail"


@pytest.mark.parametrize(
    ("record", "result"),
    [
        ("v=spf1 a:x.pl a:y.pl ~all", "softfail"),
        ("v=spf1 a:x.pl exists:y.pl mx:z.pl ~all", "permerror"),
        ("v=spf1 a:x.pl mx:y.pl ptr ptr:z.pl exists:%{p}.klient.pl ~all", "permerror"),
        ("v=spf1 a:x.pl mx:y.pl ptr ptr:z.pl ~all", "softfail"),
        ("v=spf1 a:x..pl a:y..pl a:z..pl ~all", "softfail"),
        ("v=spf1 a:x.pl include:other.pl a:y.pl ~all", "permerror"),
    ],
)
async def test_names_that_are_not_there(record: str, result: str) -> None:
    """Two (RFC 7208 4.6.4), over all included records; the client's own names and what is no name do not count."""
    assert (await of_sender(zones_of(record, TXT_other_pl=["v=spf1 a:z.pl"]))).result == result


async def test_mail_exchanges_that_are_not_there() -> None:
    """They count as names that are not there; those without an address of the client's kind do not."""
    exchanges = [f"10 mx{number}.other.pl" for number in range(5)]
    zones = zones_of("v=spf1 mx ~all", MX_klient_pl=exchanges)
    assert (await of_sender(zones)).result == "permerror"
    assert len(zones.asked) == 1 + 1 + 3
    only_v4 = {f"A_mx{number}_other_pl": ["198.51.100.7"] for number in range(5)}
    zones = zones_of("v=spf1 mx ~all", MX_klient_pl=exchanges, **only_v4)
    assert (await of_sender(zones, client=CLIENT_V6)).result == "softfail"


async def test_an_exchange_that_is_none() -> None:
    """RFC 7505: nothing is asked for a null MX."""
    zones = zones_of("v=spf1 mx ~all", MX_klient_pl=["0 ."])
    assert (await of_sender(zones)).result == "softfail"
    assert zones.asked == [("klient.pl", "TXT"), ("klient.pl", "MX")]


@pytest.mark.parametrize(
    ("record", "others"),
    [
        ("v=spf1 " + "include:{n}.pl " * 20 + "-all", {}),
        ("v=spf1 include:klient.pl -all", {}),
        ("v=spf1 redirect=klient.pl", {}),
        ("v=spf1 include:%{d} ?include:%{o} -all", {}),
        ("v=spf1 include:a.pl", {"TXT_a_pl": ["v=spf1 redirect=b.pl"], "TXT_b_pl": ["v=spf1 include:klient.pl"]}),
        ("v=spf1 mx -all", {"MX_klient_pl": [f"{n} mx{n}.klient.pl" for n in range(100)]}),
        ("v=spf1 " + "mx " * 20 + "-all", {"MX_klient_pl": [f"{n} a.pl" for n in range(10)], "A_a_pl": ["1.1.1.1"]}),
        ("v=spf1 " + "exists:%{s}.%{l}.%{i} " * 300, {}),
        ("v=spf1 a -all " + "x" * 20_000, {"A_klient_pl": [CLIENT]}),
        ("v=spf1 " + "ip4:192.0.2.1 " * 5_000, {}),
        ("v=spf1 ip4:192.0.2.1 " + "a " * 2_000, {}),
        ("v=spf1 include:a.pl", {"TXT_a_pl": ["v=spf1 " + "ip4:198.51.100.1 " * 1_000]}),
        ("v=spf1 a:a.pl//64 " + "a:a.pl/24 " * 9, {"A_a_pl": [f"198.51.100.{n}" for n in range(200)]}),
        ("v=spf1 ptr:" + "%{p}." * 1_000 + "pl", {}),
    ],
)  # fmt: skip
async def test_hostile_records(record: str, others: dict[str, list[str]]) -> None:
    """Twenty includes, loops, a hundred exchanges: a permanent error after a bounded number of questions."""
    included = {f"TXT_{number}_pl": ["v=spf1 ?all"] for number in range(20)}
    for number in range(20):
        record = record.replace("{n}", str(number), 1)
    zones = zones_of(record, **included, **others)
    began = process_time()
    result = await of_sender(zones)
    assert process_time() - began < 1.0
    assert len(zones.asked) <= MOST_QUESTIONS
    assert result.result == ("neutral" if record.startswith("v=spf1 ptr") else "permerror")


@pytest.mark.parametrize("macro", ["%{s100r}.", "%{S100r-+,/_=.}.", "%{l1r+-}", "%{p}.", "%{ir}.%{v}.", "%%", "%{h}."])
async def test_macro_bombs(macro: str) -> None:
    """However often a record repeats a macro, ten names are made of it, and none longer than a name may be."""
    record = "v=spf1 " + f"?exists:{macro * 90}x.pl " * 9 + "-all"
    sender = "a-b." * 15 + "@" + "klient.pl"
    for zones in (zones_of(record), zones_of(f"v=spf1 exists:{macro * 1_500}x.pl -all"[:8_000] + ".x.pl")):
        began = process_time()
        await of_sender(zones, sender=sender, helo="x." * 120 + "pl", client=CLIENT_V6)
        assert process_time() - began < 1.0
        assert all(len(name) <= 253 for name, _ in zones.asked)
        assert len(zones.asked) < 20


async def test_the_longest_check() -> None:
    """Ten mechanisms, each with ten exchanges that have other addresses, and ten names of the client."""
    zones = zones_of(
        "v=spf1 " + " ".join(f"mx:{number}.pl" for number in range(9)) + " ptr ~all",
        **{"PTR_1_2_0_192_in-addr_arpa": [f"mx{number}.pl" for number in range(20)]},
        **{f"MX_{number}_pl": [f"{n} mx{n}.pl" for n in range(10)] for number in range(10)},
        **{f"A_mx{number}_pl": ["198.51.100.7"] for number in range(20)},
    )
    assert (await of_sender(zones)).result == "softfail"
    assert len(zones.asked) == 1 + 9 * 11 + 11 <= MOST_QUESTIONS


@pytest.mark.parametrize("term", ["a:\x1b[31m", "\r\nX-Forged: 1", "ż" * 500, "x" * 5_000, '"', "a:%{", "\0"])
async def test_reasons_can_be_told(term: str) -> None:
    """They are short, and in visible ASCII, whatever a record holds."""
    result = await of_sender(zones_of(f"v=spf1 {term} -all"))
    assert result.result == "permerror"
    assert result.reason.isascii()
    assert result.reason.isprintable()
    assert 0 < len(result.reason) <= MAX_REASON


async def test_the_reason_names_the_included_record_that_is_wrong() -> None:
    zones = zones_of("v=spf1 include:hoster.pl -all", TXT_hoster_pl=["v=spf1 ipv4:192.0.2.1 -all"])
    result = await of_sender(zones)
    assert result.reason == "the record of hoster.pl: 'ipv4:192.0.2.1' is no mechanism"


async def test_two_records() -> None:
    zones = Zones({("klient.pl", "TXT"): ["v=spf1 +all", "google-site-verification=x", "v=spf1 -all"]})
    result = await of_sender(zones)
    assert (result.result, result.reason) == ("permerror", "klient.pl has 2 SPF records")

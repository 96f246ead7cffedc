"""DMARC: which policy applies, and what is aligned with it (RFC 9989)."""

import pytest
from zones import TROUBLE, Zone

from routerd.auth.dmarc import (
    DmarcRecord,
    DmarcResult,
    Identifier,
    Mechanism,
    Tree,
    Wish,
    parse_record,
)
from routerd.auth.dns_answers import Trouble

NONE, QUARANTINE, REJECT = Wish.NONE, Wish.QUARANTINE, Wish.REJECT


def dkim(domain: str) -> Identifier:
    return Identifier(Mechanism.DKIM, domain)


def spf(domain: str) -> Identifier:
    return Identifier(Mechanism.SPF, domain)


async def judged(zone: Zone, author: str, *proven: Identifier, untold: tuple[Identifier, ...] = ()) -> DmarcResult:
    tree = Tree(zone.look_up)
    return await tree.judge(await tree.policy_for(author), proven, untold)


@pytest.mark.parametrize(
    ("text", "record"),
    [
        ("v=DMARC1", DmarcRecord()),
        ("v=DMARC1; sp=reject; rua=mailto:d@klient.pl", DmarcRecord(NONE)),
        ("v=DMARC1; p=reject", DmarcRecord(REJECT)),
        ("v=DMARC1;p=reject;", DmarcRecord(REJECT)),
        (" v=DMARC1; p=reject", None),  # the version comes first
        ("v = DMARC1 ; p = Reject", DmarcRecord(REJECT)),
        ("V=DMARC1; p=reject", None),
        ("v=dmarc1; p=reject", None),
        ("v=DMARC1x; p=reject", None),
        ("v=DMARC2; p=reject", None),
        ("p=reject; v=DMARC1", None),
        ("", None),
        ("v=spf1 -all", None),
        ("v=DMARC1; p=none; sp=quarantine; np=reject", DmarcRecord(NONE, QUARANTINE, REJECT)),
        ("v=DMARC1; sp=reject", DmarcRecord()),
        ("v=DMARC1; p=reject; p=none", DmarcRecord(REJECT)),
        ("v=DMARC1; p=reject; adkim=s; aspf=r", DmarcRecord(REJECT, strict=frozenset({Mechanism.DKIM}))),
        ("v=DMARC1; p=reject; aspf=S", DmarcRecord(REJECT, strict=frozenset({Mechanism.SPF}))),
        ("v=DMARC1; p=reject; adkim=x; pct=7; unknown=1; t=maybe; psd=x; ;; =", DmarcRecord(REJECT)),
        ("v=DMARC1; p=reject; psd=y; t=y", DmarcRecord(REJECT, psd="y", is_test=True)),
        ("v=DMARC1; psd=n", DmarcRecord(psd="n")),
        ("v=DMARC1; p=rejected", DmarcRecord(None)),
        ("v=DMARC1; p=rejected; rua=mailto:dmarc@klient.pl", DmarcRecord(NONE)),
        ("v=DMARC1; p=rejected; rua=dmarc@klient.pl", DmarcRecord(None)),
        ("v=DMARC1; p=reject; sp=never; rua=mailto:a@b.pl", DmarcRecord(NONE)),
        ("v=DMARC1; p=reject; np=", DmarcRecord(None)),
        ("v=DMARC1; p=reject" + ";x=y" * 100_000, DmarcRecord(REJECT)),
    ],
)
def test_records_are_read_as_they_are_meant(text: str, record: DmarcRecord | None) -> None:
    """RFC 9989 4.7, 4.8, 4.10.1: unknown and wrong tags count for nothing, an unreadable policy asks for nothing."""
    assert parse_record(text) == record


async def test_the_walk_asks_eight_times_at_most() -> None:
    """The example of RFC 9989 4.10."""
    zone = Zone()
    await judged(zone, "a.b.c.d.e.f.g.h.i.j.mail.example.com")
    assert zone.asked == [
        "_dmarc.a.b.c.d.e.f.g.h.i.j.mail.example.com TXT",
        "_dmarc.g.h.i.j.mail.example.com TXT",
        "_dmarc.h.i.j.mail.example.com TXT",
        "_dmarc.i.j.mail.example.com TXT",
        "_dmarc.j.mail.example.com TXT",
        "_dmarc.mail.example.com TXT",
        "_dmarc.example.com TXT",
        "_dmarc.com TXT",
    ]


CASES: dict[str, tuple[dict[str, str | tuple[str, ...] | Trouble], str, tuple[Identifier, ...], DmarcResult]] = {
    "no policy": ({}, "klient.pl", (dkim("klient.pl"),), DmarcResult("none", "klient.pl")),
    "nothing proven": (
        {"_dmarc.klient.pl TXT": "v=DMARC1; p=reject"},
        "klient.pl",
        (),
        DmarcResult("fail", "klient.pl", REJECT),
    ),
    "the same domain": (
        {"_dmarc.klient.pl TXT": "v=DMARC1; p=reject; adkim=s"},
        "klient.pl",
        (dkim("klient.pl"),),
        DmarcResult("pass", "klient.pl"),
    ),
    "another domain": (
        {"_dmarc.klient.pl TXT": "v=DMARC1; p=reject", "_dmarc.zly.pl TXT": "v=DMARC1; p=none"},
        "klient.pl",
        (dkim("zly.pl"), spf("zly.pl")),
        DmarcResult("fail", "klient.pl", REJECT),
    ),
    "below the author's domain": (
        {"_dmarc.klient.pl TXT": "v=DMARC1; p=reject"},
        "klient.pl",
        (spf("bounces.klient.pl"),),
        DmarcResult("pass", "klient.pl"),
    ),
    "above the author's domain": (
        {"_dmarc.klient.pl TXT": "v=DMARC1; p=reject"},
        "news.klient.pl",
        (dkim("klient.pl"),),
        DmarcResult("pass", "news.klient.pl"),
    ),
    "beside the author's domain": (
        {"_dmarc.klient.pl TXT": "v=DMARC1; p=reject"},
        "news.klient.pl",
        (dkim("mail.klient.pl"),),
        DmarcResult("pass", "news.klient.pl"),
    ),
    "strict for DKIM alone": (
        {"_dmarc.klient.pl TXT": "v=DMARC1; p=reject; adkim=s"},
        "klient.pl",
        (dkim("mail.klient.pl"),),
        DmarcResult("fail", "klient.pl", REJECT),
    ),
    "relaxed for SPF beside it": (
        {"_dmarc.klient.pl TXT": "v=DMARC1; p=reject; adkim=s"},
        "klient.pl",
        (dkim("mail.klient.pl"), spf("mail.klient.pl")),
        DmarcResult("pass", "klient.pl"),
    ),
    "a name that only ends like it": (
        {"_dmarc.klient.pl TXT": "v=DMARC1; p=reject"},
        "klient.pl",
        (dkim("zlyklient.pl"),),
        DmarcResult("fail", "klient.pl", REJECT),
    ),
    "no record above a domain: it is an organization of its own": (
        {"_dmarc.a.klient.pl TXT": "v=DMARC1; p=reject"},
        "a.klient.pl",
        (dkim("klient.pl"), dkim("b.klient.pl")),
        DmarcResult("fail", "a.klient.pl", REJECT),
    ),
    "the topmost record is the organization's": (
        {"_dmarc.mail.example.com TXT": "v=DMARC1; p=none", "_dmarc.example.com TXT": "v=DMARC1; p=reject; sp=reject"},
        "a.mail.example.com",
        (),
        DmarcResult("fail", "a.mail.example.com", REJECT),
    ),
    "psd=n ends the walk": (
        {"_dmarc.mail.example.com TXT": "v=DMARC1; p=none; psd=n", "_dmarc.example.com TXT": "v=DMARC1; p=reject"},
        "a.mail.example.com",
        (dkim("example.com"),),
        DmarcResult("fail", "a.mail.example.com", NONE),
    ),
    "below a public suffix nobody is aligned with a neighbour": (
        {"_dmarc.com TXT": "v=DMARC1; p=reject; psd=y", "_dmarc.bank.com TXT": "v=DMARC1; p=reject"},
        "bank.com",
        (dkim("zly.com"), dkim("com")),
        DmarcResult("fail", "bank.com", REJECT),
    ),
    "below a public suffix one is aligned with what is below oneself": (
        {"_dmarc.com TXT": "v=DMARC1; p=reject; psd=y", "_dmarc.bank.com TXT": "v=DMARC1; p=reject"},
        "www.bank.com",
        (dkim("mail.bank.com"),),
        DmarcResult("pass", "www.bank.com"),
    ),
    "a public suffix's policy, where the organization has none": (
        {"_dmarc.gov.pl TXT": "v=DMARC1; p=none; sp=quarantine; np=reject; psd=y", "urzad.gov.pl A": "192.0.2.1"},
        "urzad.gov.pl",
        (),
        DmarcResult("fail", "urzad.gov.pl", QUARANTINE),
    ),
    "np is for names that are not there": (
        {"_dmarc.gov.pl TXT": "v=DMARC1; p=none; sp=quarantine; np=reject; psd=y"},
        "zmyslony.gov.pl",
        (),
        DmarcResult("fail", "zmyslony.gov.pl", REJECT),
    ),
    "np is not for names with something below": (
        {"_dmarc.klient.pl TXT": "v=DMARC1; p=none; np=reject", "www.a.klient.pl A": "192.0.2.1"},
        "a.klient.pl",
        (),
        DmarcResult("fail", "a.klient.pl", NONE),
    ),
    "sp is not for the domain itself": (
        {"_dmarc.klient.pl TXT": "v=DMARC1; p=quarantine; sp=reject"},
        "klient.pl",
        (),
        DmarcResult("fail", "klient.pl", QUARANTINE),
    ),
    "a domain that tests asks for one less": (
        {"_dmarc.klient.pl TXT": "v=DMARC1; p=reject; t=y"},
        "klient.pl",
        (),
        DmarcResult("fail", "klient.pl", QUARANTINE),
    ),
    "two records are none, and the one above counts": (
        {
            "_dmarc.a.klient.pl TXT": ("v=DMARC1; p=none", "v=DMARC1; p=none"),
            "_dmarc.klient.pl TXT": "v=DMARC1;p=reject",
        },
        "a.klient.pl",
        (),
        DmarcResult("fail", "a.klient.pl", REJECT),
    ),
    "other TXT beside the record": (
        {"_dmarc.klient.pl TXT": ("v=spf1 -all", "v=DMARC1; p=reject", "text")},
        "klient.pl",
        (),
        DmarcResult("fail", "klient.pl", REJECT),
    ),
    "a policy that cannot be read": (
        {"_dmarc.klient.pl TXT": "v=DMARC1; p=block"},
        "klient.pl",
        (dkim("klient.pl"),),
        DmarcResult("permerror", "klient.pl", reason="the policy of klient.pl cannot be read"),
    ),
    "DNS trouble at the policy": (
        {"_dmarc.klient.pl TXT": TROUBLE},
        "klient.pl",
        (dkim("klient.pl"),),
        DmarcResult("temperror", "klient.pl", reason="_dmarc.klient.pl: no answer in time"),
    ),
    "DNS trouble above, where the policy may be": (
        {"_dmarc.klient.pl TXT": TROUBLE},
        "a.klient.pl",
        (),
        DmarcResult("temperror", "a.klient.pl", reason="_dmarc.klient.pl: no answer in time"),
    ),
    "DNS trouble above does not matter where nothing has to be asked there": (
        {"_dmarc.klient.pl TXT": "v=DMARC1; p=reject", "_dmarc.pl TXT": TROUBLE},
        "klient.pl",
        (dkim("klient.pl"), dkim("zly.com")),
        DmarcResult("pass", "klient.pl"),
    ),
    "DNS trouble where alignment hangs on it": (
        {"_dmarc.klient.pl TXT": "v=DMARC1; p=reject", "_dmarc.pl TXT": TROUBLE},
        "klient.pl",
        (dkim("a.klient.pl"),),
        DmarcResult("temperror", "klient.pl", reason="_dmarc.pl: no answer in time"),
    ),
    "DNS trouble about whether the name is there": (
        {"_dmarc.klient.pl TXT": "v=DMARC1; p=none; np=reject", "a.klient.pl A": TROUBLE},
        "a.klient.pl",
        (),
        DmarcResult("temperror", "a.klient.pl", reason="a.klient.pl: no answer in time"),
    ),
}


@pytest.mark.parametrize("case", CASES)
async def test_the_right_policy_judges_what_is_aligned(case: str) -> None:
    """RFC 9989 4.10.1, 4.10.2, 5.3.5."""
    records, author, proven, result = CASES[case]
    assert await judged(Zone(records), author, *proven) == result


@pytest.mark.parametrize("late", [dkim("mail.klient.pl"), spf("klient.pl")])
async def test_what_could_not_be_checked_now_may_pass_later(late: Identifier) -> None:
    """A failure is told only where nothing aligned is still to be heard of (RFC 9989 5.3.6)."""
    zone = Zone({"_dmarc.klient.pl TXT": "v=DMARC1; p=reject"})
    assert (await judged(zone, "klient.pl", untold=(late,))).result == "temperror"
    assert (await judged(zone, "klient.pl", dkim("klient.pl"), untold=(late,))).result == "pass"
    assert (await judged(zone, "klient.pl", untold=(dkim("zly.com"),))).result == "fail"


async def test_few_questions_whatever_the_signatures_name() -> None:
    """Domains that cannot be aligned are not asked about, the others within a bound."""
    zone = Zone({"_dmarc.klient.pl TXT": "v=DMARC1; p=reject"})
    await judged(zone, "klient.pl", *(dkim(f"a{number}.zly.com") for number in range(100)))
    assert zone.asked == ["_dmarc.klient.pl TXT"]
    await judged(zone, "klient.pl", *(dkim(f"a.b.c.d.e.f.g.h.{number}.zly.pl") for number in range(100)))
    assert len(zone.asked) < 10

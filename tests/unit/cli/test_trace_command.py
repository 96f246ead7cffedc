"""`routerd trace`: a message's whole life; no daemon runs."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

from filled_desk import RAW, Desk, name

from routerd.store.sqlite import open_store


def test_trace_tells_a_life_in_order(desk: Desk) -> None:
    """Where it came from, which rules, every attempt with the peer's words, and what can be done now."""
    desk.commit(1, after="retry:next hop refused (rcpt): 450 4.2.2 full\x1b[2J;hold:554 5.7.1 spam")
    result = desk.trace(f"{name(1)}-1")
    assert result.exit_code == 0
    told = [line[22:] for line in result.stdout.splitlines()]
    assert told[:10] == [
        f"accepted as {name(1)} from <anna@klient.pl> for support@example.com",
        'client a.klient.pl [192.0.2.7] calling itself "mx.klient.pl", by ESMTP on 0.0.0.0:25, without a login;'
        f" {len(RAW)} bytes; Message-ID <same@klient.pl>",
        "verified of its sender: dmarc=pass",
        "decided for support@example.com by the rules of revision 0123abcd",
        '  20-finance.yaml/invoices matched: subject has "faktura<U+202E>" (word faktura)',
        "  05.yaml/listed could not say: DNS did not answer",
        "owner: ewa, owner by duty/first; labels: x",
        "copy 1 for ewa as owner, to ewa@example.com by smtp:mail.example.com:25",
        "copy 2 for jan as watcher, to jan@example.com by lmtp:unix:/run/lmtp",
        told[9],
    ]
    assert told[9].startswith("copy 1 for ewa, attempt 1 by smtp:mail.example.com:25: not delivered, again at ")
    assert told[9].endswith(": next hop refused (rcpt): 450 4.2.2 full<U+001B>[2J")
    assert told[10] == "copy 1 for ewa, attempt 2 by smtp:mail.example.com:25: held: 554 5.7.1 spam"
    assert told[11].startswith(
        "copy 1 for ewa is held until the postmaster acts: 554 5.7.1 spam; 'routerd queue release"
    )
    assert told[12].startswith("copy 2 for jan is due: not tried yet; the daemon tries it")
    assert "\x1b" not in result.output
    assert "\u202e" not in result.output


def test_trace_tells_where_each_attempt_went(desk: Desk) -> None:
    """The host, said once; else the destination. Both stand in the event."""
    desk.commit(1, after="retry:DNS is silent;retry@mx2[192.0.2.1]:no answer;hold@mx1:mx1 refused it")
    told = [line[22:] for line in desk.trace(name(1)).stdout.splitlines()][9:]
    copy = "copy 1 for ewa, attempt"
    assert told[0].startswith(f"{copy} 1 by smtp:mail.example.com:25: not delivered, again at ")
    assert told[1].startswith(f"{copy} 2 at mx2[192.0.2.1]: not delivered, again at ")
    assert told[2] == f"{copy} 3: held: mx1 refused it"
    events = [event.data for event in desk.shown(1).events[1:]]
    assert [event.get("destination") for event in events[:3]] == ["smtp:mail.example.com:25"] * 3
    assert [event.get("host") for event in events[:3]] == [None, "mx2[192.0.2.1]", "mx1"]
    desk.commit(2, after="done@mx2:250 ok")
    assert f"{copy} 1 at mx2: delivered; its server said: 250 ok" in desk.trace(name(2)).stdout


def test_trace_tells_the_copies_of_a_message_from_the_future(desk: Desk) -> None:
    """It came while the clock was ahead; set back, the daemon takes them as having come then."""
    desk.commit(1, age=-timedelta(days=3650))

    async def set_back() -> None:
        store = open_store(desk.state)
        await store.pull_forward(datetime.now(UTC), datetime.now(UTC) + timedelta(days=1))
        await store.close()

    asyncio.run(set_back())
    assert "copy 1 for ewa as owner, to ewa@example.com by" in desk.trace(name(1)).stdout


def test_trace_tells_what_the_postmaster_did(desk: Desk) -> None:
    """Each of his hands, with his reason; and that a copy took another's place."""
    desk.commit(1)
    for command, reason in (("hold", "wait"), ("release", "go"), ("retry", "now"), ("bounce", "left")):
        assert desk.queue(command, f"{name(1)}-1", "--reason", reason).exit_code == 0
    assert desk.queue("drop", "--yes", f"{name(1)}-2").exit_code == 0
    told = [line[22:] for line in desk.trace(name(1)).stdout.splitlines()][8:]
    copy = "copy 1 for ewa"
    assert told[:5] == [
        told[0],
        f"{copy}: held, by the postmaster's hand: wait",
        f"{copy}: released, by the postmaster's hand: go",
        f"{copy}: to be tried at once, by the postmaster's hand: now",
        f"{copy}: given to jan as copy 3, by the postmaster's hand: refused by the postmaster: left",
    ]
    assert told[5] == "copy 2 for jan: dropped, by the postmaster's hand"
    assert told[6].startswith("copy 2 for jan was dropped at ")
    assert told[7].startswith("copy 3 for jan is due: not tried yet")


def test_trace_counts_attempts_that_are_no_longer_kept(desk: Desk) -> None:
    """So that nobody thinks that there were none."""
    desk.commit(1, after=";".join(["retry:451 later"] * 60))
    told = [line[22:] for line in desk.trace(name(1)).stdout.splitlines()]
    assert "copy 1: 20 more attempts, deferred too; they are not kept one by one" in told
    assert any(
        line.startswith("copy 1 for ewa, attempt 60 by smtp:mail.example.com:25: not delivered") for line in told
    )


def test_trace_by_message_id_tells_of_all_that_bear_it(desk: Desk) -> None:
    """Oldest first, at most so many; the same as JSON, an array."""
    for number in (1, 2, 3):
        desk.commit(number, after="done:250 2.0.0 taken")
    for by in ("same@klient.pl", "<same@klient.pl>"):
        lines = desk.trace(by).stdout.splitlines()
        assert [line[34:60] for line in lines if "accepted as" in line] == [name(1), name(2), name(3)]
    told = desk.trace("same@klient.pl", "--json", "--limit", "2")
    assert [one["queue_id"] for one in json.loads(told.stdout)] == [name(1), name(2)]
    assert "more messages bear this Message-ID" in told.stderr
    (one,) = json.loads(desk.trace(name(1), "--json").stdout)
    assert one["client"]["name"] == "a.klient.pl"
    assert one["auth_results"] == "mx; dmarc=pass"
    assert one["decisions"][0]["skipped"] == [{"rule": "05.yaml/listed", "reason": "DNS did not answer"}]
    assert [event["kind"] for event in one["events"]] == ["message_assigned", "copy_delivered"]
    assert one["events"][1]["data"]["reply"] == "250 2.0.0 taken"
    assert desk.trace("nothing").exit_code == 1
    assert one == json.loads(desk.queue("show", name(1), "--json").stdout)

"""What members answer to customers, on a real store."""

import re
from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from answer_desk import ANNA, SUPPORT, AnswerDesk

from routerd.auth.dkim_signing import Signer
from routerd.auth.signers import Signers
from routerd.desk.changes import Role, TimerKind
from routerd.message.dkim_canonical import Form, body_digest
from routerd.message.dkim_keys import KeyKind, new_private_key, parse_private_key
from routerd.store.base import CopyState, Forgo, RetryAt
from routerd.store.queue_view import QueueView

NOTE = "support+note@example.com"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[AnswerDesk]:
    desk = AnswerDesk(tmp_path)
    yield desk
    await desk.close()


async def asked(desk: AnswerDesk, **fields: str) -> str:
    """Anna has written; where Ewa, who owns it, answers to."""
    await desk.customer(**fields)
    return (await desk.of("ewa")).address("Reply-To")


async def test_an_answer_goes_to_the_customer_from_the_inbox(desk: AnswerDesk) -> None:
    """Under the header that a customer may see, whose body is the member's, byte for byte."""
    answers_to = await asked(desk)
    await desk.member(
        "ewa",
        answers_to,
        "It is here.\n\n--\nEwa",
        Message_ID="<e1@team>",
        In_Reply_To="<x@klient>",
        X_Mailer="Secret 1.0",
        Received="from inside",
        Return_Receipt_To="ewa@team.example",
        Content_Language="en",
    )
    [out] = await desk.outside()
    assert out.copy.mailbox == ANNA
    assert out.sender.startswith("support+b.")
    assert out.mail.items() == [
        ("From", "Support <support@example.com>"),
        ("To", "Anna Klient <anna@klient.pl>"),
        ("Subject", "Re: Parcel"),
        ("Date", out.mail["Date"]),
        ("Message-ID", "<e1@team>"),
        ("In-Reply-To", "<x@klient>"),
        ("Content-Language", "en"),
    ]
    assert out.body == b"It is here.\r\n\r\n--\r\nEwa\r\n"


async def test_an_answer_names_no_note_to_the_customer(desk: AnswerDesk) -> None:
    """A client puts the ids of all that it saw into References, notes too; what the customer knows stays."""
    answers_to = await asked(desk, Message_ID="<1@klient>")
    await desk.member("ewa", "support+note@example.com", "Who knows?", Message_ID="<n@team>", References="<1@klient>")
    await desk.member(
        "ewa", answers_to, Message_ID="<e@team>", References="<1@klient>\r\n <n@team>", In_Reply_To="<n@team>"
    )
    [out] = await desk.outside()
    assert (out.mail["References"], out.mail["In-Reply-To"]) == ("<1@klient>", None)


async def test_an_answer_names_no_note_of_long_ago(desk: AnswerDesk) -> None:
    answers_to = await asked(desk, Message_ID="<1@klient>")
    notes = [f"<n{number}@team>" for number in range(25)]
    for note in notes:
        await desk.member("ewa", "support+note@example.com", "Who knows?", Message_ID=note, References="<1@klient>")
    await desk.member("ewa", answers_to, References="\r\n ".join(("<1@klient>", *notes)))
    [out] = await desk.outside()
    assert out.mail["References"] == "<1@klient>"


@pytest.mark.parametrize("mark", ["Precedence", "X_Auto_Response_Suppress"])
async def test_what_a_gateway_marks_goes_out_all_the_same(desk: AnswerDesk, mark: str) -> None:
    """Some add such a field to all that leaves the company."""
    await desk.member("ewa", await asked(desk), "It is here.", **{mark: "bulk" if mark == "Precedence" else "All"})
    [out] = await desk.outside()
    assert out.body == b"It is here.\r\n"


async def test_who_is_taken_for_a_machine_is_told(desk: AnswerDesk) -> None:
    """Nothing goes out and nobody waits for what never comes."""
    await desk.member("ewa", await asked(desk), "It is here.", Auto_Submitted="auto-generated")
    [told] = await desk.out()
    assert (told.copy.member, told.mail["Subject"]) == ("ewa", "Not done: Parcel")
    text = told.mail.get_content()
    assert "a program wrote it (Auto-Submitted)" in text
    assert "> It is here." in text


async def test_the_customers_reply_comes_to_the_same_owner(desk: AnswerDesk) -> None:
    """By the Message-ID of the answer, which both ends know."""
    await desk.member("ewa", await asked(desk), Message_ID="<e1@team>")
    [out] = await desk.outside()
    await desk.customer("Thank you.", In_Reply_To=out.mail["Message-ID"])
    [copy] = await desk.out()
    assert copy.copy.member == "ewa"
    assert copy.mail["X-Assigned-To"] == "ewa@team.example"


async def test_the_customers_out_of_office_reaches_the_owner_as_what_it_is(desk: AnswerDesk) -> None:
    """In the conversation, labelled as no bounce; and nobody's mailbox is led to answer it."""
    await desk.member("ewa", await asked(desk), Message_ID="<e1@team>")
    [out] = await desk.outside()
    away = f"From: {ANNA}\r\nSubject: Automatic reply: Parcel\r\nAuto-Submitted: auto-replied\r\n"
    away += "In-Reply-To: <e1@team>\r\nMessage-ID: <away@klient>\r\n\r\nBack in May.\r\n"
    await desk.raw(away.encode(), (out.sender,), sender="")
    [copy] = await desk.out()
    assert (copy.copy.member, copy.mail["X-Labels"], copy.mail["Reply-To"]) == ("ewa", "auto", None)


async def test_an_answer_of_another_takes_the_conversation(desk: AnswerDesk) -> None:
    """The former owner sees it; the next mail is the new one's."""
    await desk.customer()
    [ewas] = await desk.out()
    await desk.member("jan", ewas.address("Reply-To"), Message_ID="<j1@team>")
    out = await desk.out()
    assert {(one.copy.member, one.copy.role) for one in out} >= {(ANNA, Role.ANSWER), ("ewa", Role.WATCHER)}
    await desk.customer("Thank you.", In_Reply_To="<j1@team>")
    assert "jan" in {one.copy.member for one in await desk.out() if one.copy.role is Role.OWNER}


async def test_a_reply_to_a_colleagues_answer_is_a_note(desk: AnswerDesk) -> None:
    """As to all that members are shown: its author gets it, it is kept with the conversation, and no customer hears."""
    await desk.customer()
    [ewas] = await desk.out()
    await desk.member("jan", ewas.address("Reply-To"), Reply_To="jan@home.example")
    copy = await desk.of("ewa")
    assert (copy.mail["From"], copy.mail["X-Original-Reply-To"]) == ("jan <jan@team.example>", "jan@home.example")
    await desk.member("ewa", copy.address("Reply-To"), "Well said.")
    [note] = await desk.out()
    assert (note.copy.member, note.copy.role, note.body) == ("jan", Role.DESK, b"Well said.\r\n")


async def test_a_new_owners_reply_to_a_colleagues_answer_goes_to_the_customer(desk: AnswerDesk) -> None:
    """It is the newest mail in the thread that he got with the conversation."""
    await desk.member("ewa", await asked(desk), "It comes on Friday.")
    [out] = await desk.outside()
    await desk.customer("And when?", In_Reply_To=str(out.mail["Message-ID"]))
    note = (await desk.of("ewa")).address("X-Routerd-Note")
    await desk.member("ewa", note, "#assign jan")
    given = [one for one in await desk.out() if one.copy.member == "jan"]
    [answer] = [one for one in given if b"It comes on Friday." in one.raw and one.copy.role is Role.WATCHER]
    assert "Anna Klient via Support <support+c." in answer.mail["Reply-To"]
    await desk.member("jan", answer.address("Reply-To"), "I send a technician.")
    [sent] = await desk.outside()
    assert (sent.copy.mailbox, sent.body) == (ANNA, b"I send a technician.\r\n")


async def test_one_members_tags_are_not_shown_to_others(tmp_path: Path) -> None:
    """Who has labels in subjects answers with them: neither the watcher's copy nor a new owner's tells of it."""
    desk = AnswerDesk(tmp_path)
    answers_to = await asked(desk)
    await desk.member("omar", answers_to, Subject="Re: [[complaint, urgent]] Parcel")
    copies = [one for one in await desk.out() if one.copy.member != "omar"]
    assert {one.copy.member: one.mail["Subject"] for one in copies} == {"ewa": "Re: Parcel", ANNA: "Re: Parcel"}
    [copy] = [one for one in copies if one.copy.member == "ewa"]
    await desk.member("ewa", copy.address("X-Routerd-Note"), "#assign jan")
    given = [one for one in await desk.out() if one.copy.member == "jan" and one.copy.role is Role.WATCHER]
    assert [one.mail["Subject"] for one in given] == ["Parcel", "Re: Parcel"]
    await desk.close()


async def test_where_answering_takes_nothing_the_owner_stays(tmp_path: Path) -> None:
    """`takes: false`"""
    desk = AnswerDesk(tmp_path, inboxes={SUPPORT: {"default": "ewa", "takes": False, "from": "{member} at Support"}})
    await desk.member("jan", await asked(desk), Message_ID="<j1@team>")
    [answer] = await desk.outside()
    assert answer.mail["From"] == "Jan Wójcik at Support <support@example.com>"
    await desk.customer("Thank you.", In_Reply_To="<j1@team>")
    assert [one.copy.member for one in await desk.out() if one.copy.role is Role.OWNER] == ["ewa"]
    await desk.close()


async def test_a_second_answer_is_held_and_comes_back_with_what_was_said(desk: AnswerDesk) -> None:
    """`#send` sends the held bytes, and not the mail that says so."""
    answers_to = await asked(desk)
    await desk.member("ewa", answers_to, "It comes on Friday.")
    assert len(await desk.outside()) == 1
    await desk.member("jan", answers_to, "It comes on Monday.", Message_ID="<j1@team>")
    back = await desk.of("jan")
    assert "It comes on Friday." in back.mail.get_content()
    assert "> It comes on Monday." in back.mail.get_content()
    assert back.mail["In-Reply-To"] == "<j1@team>"
    await desk.member("jan", back.address("Reply-To"), "#send\nDo it.")
    [out] = await desk.outside()
    assert out.mail["Message-ID"] == "<j1@team>"
    assert out.body == b"It comes on Monday.\r\n"


async def test_who_has_seen_the_others_answer_may_answer_too(desk: AnswerDesk) -> None:
    """As a reply to a copy that came after it, and as one to that answer itself."""
    answers_to = await asked(desk)
    await desk.member("jan", answers_to, Message_ID="<j1@team>")
    await desk.out()
    await desk.member("ewa", SUPPORT, In_Reply_To="<j1@team>")
    assert len(await desk.outside()) == 1
    await desk.customer("And now?", In_Reply_To="<j1@team>")
    [copy] = [one for one in await desk.out() if one.copy.member == "ewa"]
    await desk.member("ewa", copy.address("Reply-To"), "Now it is.")
    assert len(await desk.outside()) == 1


async def test_ones_own_answer_holds_nothing(desk: AnswerDesk) -> None:
    answers_to = await asked(desk)
    await desk.member("ewa", answers_to)
    await desk.member("ewa", answers_to, "What I forgot.")
    assert len(await desk.outside()) == 2


async def test_what_opens_like_a_command_is_not_sent(desk: AnswerDesk) -> None:
    """It was meant for us."""
    await desk.member("ewa", await asked(desk), "#assign jan\nI have no time.")
    out = await desk.out()
    assert [one.copy.role for one in out] == [Role.DESK]
    assert "I have no time." in out[0].mail.get_content()


async def test_what_was_not_sent_is_told_whole(desk: AnswerDesk) -> None:
    """With the commands that held it, whom it was for, and what was attached."""
    body = (
        "--b\nContent-Type: text/plain\n\n#close\n--b\nContent-Type: application/pdf\n"
        'Content-Disposition: attachment; filename="invoice.pdf"\n\nx\n--b--'
    )
    await desk.member("ewa", await asked(desk), body, Content_Type="multipart/mixed; boundary=b", MIME_Version="1.0")
    told = (await desk.of("ewa")).mail.get_content()
    assert f"It was for Anna Klient <{ANNA}>.\nAttached: invoice.pdf.\nYou wrote:\n> #close\n" in told


async def test_an_answer_that_waits_for_approval_is_shown_to_who_approves(tmp_path: Path) -> None:
    """And goes out by his word."""
    rules = "rules:\n  - {name: all, when: {always: true}, then: {approve: jan}}\n"
    desk = AnswerDesk(tmp_path, rules)
    await desk.member("ewa", await asked(desk), "It costs 5.", Message_ID="<e1@team>")
    out = {one.copy.member: one for one in await desk.out()}
    assert set(out) == {"ewa", "jan"}
    assert out["jan"].mail["Subject"] == "[approve] Re: Parcel"
    assert "it waits for the word of Jan Wójcik" in out["ewa"].mail.get_content()
    assert "#drop" in out["ewa"].mail.get_content()
    ours, written = out["jan"].mail.iter_parts()
    words = ours.get_content()
    assert "Ewa Nowak wrote this answer to Anna Klient <anna@klient.pl>." in words
    assert "#send" in words
    assert NOTE in words
    assert written.get_payload() == "It costs 5.\n" or written.get_payload() == "It costs 5.\r\n"
    await desk.member("ewa", out["ewa"].address("Reply-To"), "#send")
    assert await desk.outside() == []
    await desk.member("jan", out["jan"].address("Reply-To"), "#send")
    [sent] = await desk.outside()
    assert sent.body == b"It costs 5.\r\n"
    await desk.close()


async def test_an_approvers_own_answer_needs_another_and_goes_where_there_is_none(tmp_path: Path) -> None:
    """Four eyes are meant, and nobody waits for himself."""
    rules = "rules:\n  - {name: all, when: {always: true}, then: {approve: [jan, ewa]}}\n"
    desk = AnswerDesk(tmp_path / "two", rules)
    await desk.member("ewa", await asked(desk), "It costs 5.")
    out = {one.copy.member: one for one in await desk.out()}
    assert (set(out), out["jan"].mail["Subject"]) == ({"ewa", "jan"}, "[approve] Re: Parcel")
    await desk.close()
    desk = AnswerDesk(tmp_path / "one", rules.replace("jan, ", ""))
    await desk.member("ewa", await asked(desk), "It costs 5.")
    assert len(await desk.outside()) == 1
    await desk.close()


async def test_who_has_it_directly_is_not_mailed_again(desk: AnswerDesk) -> None:
    """But stands in the header that the others see."""
    answers_to = await asked(desk, Cc="Bob <bob@klient.pl>, ewa@team.example, support+x@example.com")
    await desk.member("ewa", (answers_to,), Cc="bob@klient.pl, jan@team.example")
    [out] = await desk.outside()
    assert out.copy.mailbox == ANNA
    assert out.mail["Cc"] == "Bob <bob@klient.pl>"


async def test_the_answer_goes_where_the_customer_wants_it(desk: AnswerDesk) -> None:
    """Reply-To goes before From."""
    await desk.member("ewa", await asked(desk, Reply_To="Office <office@klient.pl>"))
    assert [out.copy.mailbox for out in await desk.outside()] == ["office@klient.pl"]


async def test_the_same_answer_twice_is_sent_once(desk: AnswerDesk) -> None:
    """Again by the same way, and to the inbox itself beside it, in whichever order they come."""
    answers_to = await asked(desk)
    for to in (answers_to, answers_to, SUPPORT):
        await desk.member("ewa", to, To=f"{answers_to}, {SUPPORT}", Message_ID="<e1@team>", In_Reply_To="<x@klient>")
    assert len(await desk.outside()) == 1


@pytest.mark.parametrize("first", [0, 1])
async def test_a_mail_to_notes_and_the_inbox_is_no_answer(desk: AnswerDesk, first: int) -> None:
    """Also where it comes in two transactions."""
    await desk.customer(Message_ID="<a1@klient>")
    note = (await desk.of("ewa")).address("X-Routerd-Note")
    both = [note, SUPPORT] if first == 0 else [SUPPORT, note]
    for to in both:
        await desk.member(
            "ewa", to, "He is a liar.", To=f"{note}, {SUPPORT}", Message_ID="<e1@team>", In_Reply_To="<a1@klient>"
        )
    assert await desk.outside() == []


async def test_a_reply_that_goes_past_us_is_the_answer(tmp_path: Path) -> None:
    """Where answers are observed: a second one is held no more, but the conversation is answered, by him."""
    desk = AnswerDesk(tmp_path, inboxes={SUPPORT: {"default": "ewa", "replies": "observe"}})
    await desk.customer(Message_ID="<a1@klient>")
    first = await desk.of("ewa")
    assert first.mail["Reply-To"] is None
    await desk.member("jan", SUPPORT, To=f"{ANNA}, {SUPPORT}", In_Reply_To="<a1@klient>", Message_ID="<j1@team>")
    assert await desk.outside() == []
    await desk.member("ewa", NOTE, "#history", In_Reply_To="<a1@klient>")
    assert "Jan Wójcik answered" in (await desk.of("ewa")).mail.get_content()
    await desk.close()


CALENDAR = (
    "From: ewa <ewa@team.example>\r\nTo: {to}\r\nSubject: Accepted: Meeting\r\nMessage-ID: <e1@team>\r\n"
    "MIME-Version: 1.0\r\nContent-Type: text/calendar; method=REPLY; charset=utf-8\r\n\r\n"
    "BEGIN:VCALENDAR\r\nMETHOD:REPLY\r\nEND:VCALENDAR\r\n"
)


async def test_an_answer_to_an_invitation_passes_and_counts_for_nothing(desk: AnswerDesk) -> None:
    """The customer's calendar gets it as it is; somebody else's answer is not held for it."""
    answers_to = await asked(desk)
    await desk.raw(CALENDAR.format(to=answers_to).encode(), (answers_to,), member="ewa", sender="ewa@team.example")
    [out] = await desk.outside()
    assert out.body == CALENDAR.partition("\r\n\r\n")[2].encode()
    assert out.mail.get_content_type() == "text/calendar"
    assert b"routerd_unowned_messages_total 0.0" in desk.metrics.exposition()
    await desk.member("jan", answers_to)
    assert len(await desk.outside()) == 1


async def test_an_answer_that_fails_comes_back_to_its_author(desk: AnswerDesk) -> None:
    """Once it is late, and when it is given up; the conversation is open again."""
    answers_to = await asked(desk)
    await desk.member("jan", answers_to, "It comes on Friday.")
    [out] = await desk.outside()
    later = desk.now + timedelta(hours=5)
    await desk.conclude(out.copy, RetryAt(at=later, reason="451 try later", late=ANNA))
    late = await desk.of("jan")
    assert "451 try later" in late.mail.get_content()
    await desk.conclude(out.copy, RetryAt(at=later, reason="451 try later", late=ANNA))
    assert await desk.out() == []
    await desk.conclude(out.copy, Forgo("550 5.1.1 no such user"))
    failed = await desk.of("jan")
    assert "550 5.1.1 no such user" in failed.mail.get_content()
    assert "> It comes on Friday." in failed.mail.get_content()
    await desk.member("ewa", failed.address("Reply-To"), "#history")
    assert "open" in (await desk.of("ewa")).mail.get_content()


@pytest.mark.parametrize("by_hand", [False, True])
async def test_the_promise_holds_again_where_its_answer_does_not_arrive(tmp_path: Path, by_hand: bool) -> None:
    """The customer has waited since he wrote, not since it failed; what was due then is due, and its timers are set."""
    desk = AnswerDesk(tmp_path, "rules:\n  - {name: all, when: {always: true}, then: {respond_within: 4h}}\n")
    answers_to = await asked(desk)
    began = desk.now
    desk.pass_by(timedelta(hours=1))
    await desk.member("jan", answers_to)
    [out] = await desk.outside()
    await desk.member("jan", answers_to, "And this.")
    desk.pass_by(timedelta(hours=1))
    if by_hand:
        await desk.store.change_copies([out.copy.number], CopyState.DROPPED, "a mistake", desk.now)
    else:
        await desk.conclude(out.copy, Forgo("550 5.1.1 no such user"))
    await desk.close()
    with QueueView.open(tmp_path) as view:
        whole = view.conversation(out.copy.queue_id)
    assert whole is not None
    standing = whole.listed.conversation.standing
    assert (standing.waiting_since, standing.respond_by) == (began, began + timedelta(hours=4))
    assert {timer.kind: timer.at - began for timer in whole.timers} == {
        TimerKind.REMIND: timedelta(hours=3),
        TimerKind.OVERDUE: timedelta(hours=4),
    }


async def test_an_answer_for_which_there_is_no_address_goes_back(desk: AnswerDesk) -> None:
    """Nothing is lost in silence."""
    await desk.send({"From": "", "To": SUPPORT, "Subject": "Parcel", "Message-ID": "<a1@klient>"}, "?", (SUPPORT,))
    await desk.out()
    await desk.member("omar", SUPPORT, In_Reply_To="<a1@klient>")
    out = await desk.out()
    assert [one.copy.role for one in out] == [Role.DESK]
    assert "no address of a customer" in out[0].mail.get_content()


async def test_each_new_owner_gets_what_was_said_and_whoever_answers_reaches_who_said_it(desk: AnswerDesk) -> None:
    """A note that came as one mail with the summary is still a note to the next; bare and refused commands are none."""
    await desk.customer(Message_ID="<a1@klient>")
    note = (await desk.of("ewa")).address("X-Routerd-Note")
    about = {"References": "<a1@klient>"}
    await desk.member("ewa", note, "#label +urgent", **about)
    await desk.member("ewa", note, "#clsoe\n\nShe lies.", **about)
    await desk.out()
    desk.pass_by(timedelta(minutes=1))
    await desk.member("ewa", note, "#assign jan\n\nPlease look.", **about)
    mails = [one for one in await desk.out() if one.copy.member == "jan"]
    assert [str(one.mail["From"]) for one in mails] == [
        "Anna Klient <anna@klient.pl>",
        "Ewa Nowak <support+note@example.com>",
    ]
    assert "> Please look." in mails[1].mail.get_content()
    await desk.member("jan", mails[1].address("Reply-To"), "I do.")
    assert [one.copy.member for one in await desk.out()] == ["ewa"]
    await desk.member("jan", note, "#assign omar", **about)
    mails = [one for one in await desk.out() if one.copy.member == "omar"]
    assert [one.mail.get_content().split() for one in mails[:-1]] == [
        ["Where", "is", "it?"],
        ["#assign", "jan", "Please", "look."],
        ["I", "do."],
    ]
    assert "This conversation of support@example.com is yours now; it was Jan Wójcik's." in mails[-1].mail.get_content()
    await desk.member("omar", note, "#history", **about)
    text = (await desk.of("omar")).mail.get_content()
    assert [line.partition("UTC  ")[2] for line in text.splitlines() if "Ewa Nowak" in line] == [
        "Ewa Nowak gave commands",
        "Ewa Nowak gave commands",
        "Ewa Nowak changed labels: +urgent",
        "Ewa Nowak noted",
        "Ewa Nowak told members",
        "Ewa Nowak → Jan Wójcik: ewa assigned it to jan",
    ]


async def test_the_signature_of_what_waits_covers_the_words_above_it(tmp_path: Path) -> None:
    """As any mail from the inbox's own address."""
    key = parse_private_key(new_private_key(KeyKind.ED25519))
    desk = AnswerDesk(tmp_path, signers=Signers([Signer("example.com", "s1", key)]))
    await desk.customer(Message_ID="<a1@klient>")
    await desk.out()
    await desk.member("omar", "support+draft@example.com", "It costs 5.", References="<a1@klient>")
    shown = await desk.of("ewa")
    found = re.search(r"bh=([^;]+);", str(shown.mail["DKIM-Signature"]))
    assert found is not None
    digest = body_digest(Form.RELAXED, shown.raw, shown.raw.index(b"\r\n\r\n") + 4)
    assert "".join(found[1].split()) == b64encode(digest).decode()
    await desk.close()


async def test_a_note_to_a_crowd_names_the_first_of_them(tmp_path: Path) -> None:
    """Each copy has its header for itself."""
    members = {f"m{number}": {"mailbox": f"m{number}@team.example"} for number in range(200)}
    teams = {"all": {"members": [*members]}}
    rules = "rules:\n  - {name: all, when: {always: true}, then: {watch: all}}\n"
    inboxes = {SUPPORT: {"default": "m0"}}
    desk = AnswerDesk(tmp_path, rules, members=members, teams=teams, postmaster="m0", inboxes=inboxes)
    await desk.customer(Message_ID="<1@klient>")
    await desk.out()
    await desk.member("m0", "support+note@example.com", "Who knows?", References="<1@klient>")
    out = await desk.out()
    assert len(out) == 199
    assert {len(one.mail["To"].addresses) for one in out} == {50}
    await desk.close()


async def test_the_deputy_of_who_must_approve_does_while_he_is_away(tmp_path: Path) -> None:
    """He gets it to read, and its author hears whose word it waits for. Where nobody is there the author hears that."""
    rules = "rules:\n  - {name: all, when: {always: true}, then: {approve: jan}}\n"
    people = {name: {"mailbox": f"{name}@team.example"} for name in ("ewa", "jan", "omar")}
    desk = AnswerDesk(tmp_path, rules, members={**people, "jan": {**people["jan"], "deputy": "omar"}})
    await desk.member("jan", "support+note@example.com", "#away")
    await desk.member("ewa", await asked(desk), "It costs 5.")
    out = {one.copy.member: one for one in await desk.out()}
    assert set(out) == {"ewa", "jan", "omar"}
    assert "it waits for the word of omar, as jan is away." in out["ewa"].mail.get_content()
    await desk.member("omar", "support+note@example.com", "#away")
    await desk.member("ewa", await asked(desk), "It costs 6.")
    words = (await desk.of("ewa")).mail.get_content()
    assert "it waits for the word of jan, who is away." in words
    assert "Nobody who may say it is there now" in words
    await desk.member("omar", out["omar"].address("Reply-To"), "#send")
    assert [sent.body for sent in await desk.outside()] == [b"It costs 5.\r\n"]
    await desk.close()

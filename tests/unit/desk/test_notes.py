"""Notes: whom they go to, and under which header."""

from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest
from desk_house import ANNA, KNOWN, NOW, SUPPORT, FullState, house, mail, matter, text_of

from routerd.desk.changes import Held, HeldId, HeldKind, Part, Role
from routerd.desk.drafting import draft_plan
from routerd.desk.noting import answers_colleagues, note_plan
from routerd.desk.plan import ConversationState, Past, Plan, Seen
from routerd.desk.said import Kind
from routerd.message.envelope import Envelope, Purpose, QueueId


def noted(text: str, state: FullState | None = None, member: str = "jan", **fields: str) -> Plan:
    told = house()
    raw = mail(text, f"{member}@example.com", **fields)
    return note_plan(matter(Kind.NOTE, raw, told, member), state or FullState(), told)


def members_of(plan: Plan) -> list[str]:
    return [copy.member for copy in plan.copies]


def header_of(plan: Plan) -> EmailMessage:
    read = message_from_bytes(plan.copies[0].head, policy=default)
    assert isinstance(read, EmailMessage)
    return read


def watched(*watchers: str, **changes: object) -> FullState:
    standing = replace(KNOWN.standing, watchers=watchers, **changes)  # type: ignore[arg-type]
    return FullState(replace(KNOWN, standing=standing))


def test_a_note_goes_to_the_owner_the_watchers_and_whom_it_names_who_watch_then() -> None:
    """Its author gets none, but hears of a name that nobody bears; a team is all of its members."""
    plan = noted("Spójrz @duty, @Jan i @anna.", watched("omar"))
    assert members_of(plan) == ["ewa", "omar", "adam"]
    assert {copy.role for copy in plan.copies} == {Role.DESK}
    assert plan.standing.watchers == ("omar", "adam")
    assert (plan.part, plan.member, plan.joins) == (Part.NOTE, "jan", KNOWN.id)
    assert [event.kind for event in plan.events] == ["note_written"]
    (told,) = plan.authored
    assert [copy.member for copy in told.copies] == ["jan"]
    assert "no member or team 'anna'" in text_of(told.raw)
    assert "jan (Jan Wójcik)" in text_of(told.raw)


def test_who_watches_for_another_inbox_gets_notes_too() -> None:
    assert members_of(noted("x", watched("omar", also=(("billing@example.com", "adam"),)))) == ["ewa", "omar", "adam"]


def test_a_note_moves_nothing_else() -> None:
    """Whoever waits goes on waiting, and what is closed stays so."""
    plan = noted("Kto to zrobi?")
    assert plan.standing == replace(KNOWN.standing, messages=2)
    assert (plan.owner, plan.team, plan.authored, plan.timers) == ("ewa", "finance", (), None)
    assert noted("x", watched(state=ConversationState.CLOSED)).standing.state is ConversationState.CLOSED


def test_a_note_that_answers_a_note_goes_to_who_wrote_that() -> None:
    """Also where he neither owns the conversation nor watches."""
    past = Past(4, QueueId("A"), Part.NOTE, "omar", NOW, "n0@omar", True)
    state = FullState(seen=Seen(4, "ewa", NOW), messages=(past,))
    assert members_of(noted("Zgoda.", state, "ewa")) == ["omar"]


def test_a_note_to_nobody_is_kept_and_goes_nowhere() -> None:
    """The owner's own, without watchers."""
    plan = noted("Oddzwonię jutro.", member="ewa")
    assert (plan.copies, plan.authored) == ((), ())
    assert plan.events[0].data == {"member": "ewa", "to": []}


def test_answers_to_a_note_stay_in_the_house() -> None:
    """From the note address, to members, whatever stood in the member's own header; nothing else of that goes on."""
    plan = noted(
        "Nie mów jej.",
        To="support+note@example.com, Anna <anna@klient.pl>",
        Cc="secret@klient.pl",
        Reply_To="anna@klient.pl",
        Resent_To="anna@klient.pl",
        X_Mailer="client",
    )
    header = header_of(plan)
    assert header["From"] == "Jan Wójcik <support+note@example.com>"
    assert header["To"] == "Ewa Nowak <ewa@example.com>"
    assert set(header) == {"From", "To", "Subject", "Message-ID", "Date", "MIME-Version", "Content-Type"}
    assert b"klient.pl" not in plan.copies[0].head


@pytest.mark.parametrize(
    ("subject", "said"),
    [
        ("Re: Skarga", "[note] Re: Skarga"),
        ("[note] Skarga", "[note] Skarga"),
        ("Re: [note] Skarga", "[note] Re: Skarga"),
        ("Odp: [NOTE] Re: [draft] Skarga", "[note] Odp: Re: Skarga"),
        ("=?utf-8?Q?Re:_[note]_Skarg=C4=99?=", "[note] Re: Skargę"),
        ("=?utf-8?B?U2thcmfEmQ==?=", "[note] Skargę"),
        ("", "[note]"),
    ],
)
def test_the_subject_says_note_once(subject: str, said: str) -> None:
    assert header_of(noted("x", Subject=subject))["Subject"].strip() == said


def test_commands_alone_are_no_note() -> None:
    """But a file is one."""
    assert noted("#label pilne").copies == ()
    raw = b"\r\n".join(
        (
            b"From: jan@example.com",
            b"Subject: x",
            b"Content-Type: multipart/mixed; boundary=b",
            b"",
            b"--b",
            b"Content-Type: text/plain",
            b"",
            b"#label pilne",
            b"--b",
            b"Content-Type: image/png; name=scan.png",
            b"Content-Disposition: attachment; filename=scan.png",
            b"",
            b"x",
            b"--b--",
            b"",
        )
    )
    told = house()
    assert members_of(note_plan(matter(Kind.NOTE, raw, told), FullState(), told)) == ["ewa"]


def test_nothing_is_done_of_a_mail_with_a_bad_command() -> None:
    """Its author alone hears of it, and gets back what he wrote."""
    plan = noted("#close\n#assign nobdoy\n\nNie mów jej, @omar.")
    assert (plan.copies, plan.owner, plan.standing) == ((), "ewa", replace(KNOWN.standing, messages=2))
    [told] = plan.authored
    assert [copy.member for copy in told.copies] == ["jan"]
    text = text_of(told.raw)
    assert "nobdoy" in text
    assert "> Nie mów jej, @omar." in text
    assert [(event.kind, event.data["command"]) for event in plan.events] == [("command_refused", "assign")]


def test_a_conversation_whose_owner_has_left_goes_to_the_default() -> None:
    """With the first that is said of it."""
    plan = noted("Czyje to?", FullState(replace(KNOWN, owner="gone")))
    assert plan.owner == "adam"
    assert [copy.member for told in plan.authored for copy in told.copies] == ["adam"]
    assert "> Czyje to?" in text_of(plan.authored[0].raw)
    assert [event.kind for event in plan.events] == ["note_written", "owner_changed"]


def test_without_a_conversation_what_concerns_oneself_is_done() -> None:
    """What else the mail says goes to nobody, and its author is told so."""
    plan = noted("#away until 2027-01-10 deputy ewa\n\nPozdrawiam", FullState(None))
    assert (plan.joins, plan.part, plan.inbox, plan.copies) == (None, Part.NOTE, SUPPORT, ())
    [absence] = plan.absences
    assert (absence.member, getattr(absence, "deputy", None)) == ("jan", "ewa")
    [told] = plan.authored
    assert "went to nobody" in text_of(told.raw)


def test_the_customer_is_in_no_list_of_members() -> None:
    """Not even one whose address is written like a member's name."""
    told = house()
    raw = mail("@anna@klient.pl @klient.pl", Cc=f"{ANNA[0]} <{ANNA[1]}>")
    assert members_of(note_plan(matter(Kind.NOTE, raw, told), FullState(), told)) == ["ewa"]


@pytest.mark.parametrize(
    ("part", "purpose", "is_note"),
    [
        (Part.NOTE, Purpose.INBOX, True),
        (Part.TOLD, Purpose.INBOX, True),
        (Part.DRAFT, Purpose.INBOX, True),
        (Part.CUSTOMER, Purpose.INBOX, False),
        (Part.ANSWER, Purpose.INBOX, False),
        (Part.NOTE, Purpose.ANSWER, False),
    ],
)
def test_talk_among_colleagues_that_takes_the_inbox_along_is_no_answer(
    part: Part, purpose: Purpose, is_note: bool
) -> None:
    """What says of itself that it is for the customer is."""
    told = house()
    asked = matter(Kind.ANSWER, mail("Nie mów jej."), told)
    recipient = replace(asked.received.envelope.recipients[0], purpose=purpose)
    asked = replace(asked, received=replace(asked.received, envelope=Envelope("jan@example.com", (recipient,))))
    past = Past(4, QueueId("A"), part, "omar", NOW, "n0@omar", True)
    state = FullState(seen=Seen(4, "", NOW), messages=(past,))
    assert answers_colleagues(asked, state) is is_note
    assert not answers_colleagues(asked, FullState(messages=(past,)))


def test_who_gets_a_conversation_with_a_note_gets_one_mail_of_both() -> None:
    """In the name of who wrote it, so that an answer to it comes to him; and the messages so far."""
    past = Past(4, QueueId("A"), Part.CUSTOMER, None, NOW, "c1@klient.pl", True, ("ewa",))
    state = replace(watched("omar"), messages=(past,))
    plan = noted("#assign jan\n#label +pilne\n\nProszę, zadzwoń.\nJest zła.", state, "ewa")
    assert members_of(plan) == ["omar"]
    (told,) = plan.authored
    assert ([copy.member for copy in told.copies], told.member) == (["jan"], "ewa")
    header = message_from_bytes(told.raw, policy=default)
    assert (header["From"], header["In-Reply-To"]) == ("Ewa Nowak <support+note@example.com>", "<n1@jan>")
    text = text_of(told.raw)
    assert "Ewa Nowak writes:\n> Proszę, zadzwoń.\n> Jest zła.\n" in text
    assert "Labels: pilne" in text
    assert [(one.message, one.copy.member) for one in plan.resent] == [(4, "jan")]


def test_a_note_with_a_file_comes_as_it_is_beside_the_summary() -> None:
    """Whatever it holds."""
    body = (
        "--b\nContent-Type: text/plain\n\n#assign jan\n\nSee.\n--b\nContent-Type: application/pdf\n"
        "Content-Disposition: attachment; filename=a.pdf\n\nx\n--b--\n"
    )
    raw = mail(body, "ewa@example.com").replace(b"text/plain; charset=utf-8", b"multipart/mixed; boundary=b", 1)
    told = house()
    plan = note_plan(matter(Kind.NOTE, raw, told, "ewa"), FullState(), told)
    assert members_of(plan) == ["jan"]
    (summary,) = plan.authored
    assert summary.member is None
    assert "See." not in text_of(summary.raw)


def test_who_is_named_newly_gets_what_the_note_is_about() -> None:
    """What its author had before his eyes, and the customer's latest; who watches already has them."""
    messages = tuple(
        Past(number, QueueId(f"A{number}"), part, member, NOW, f"{number}@x", True, ("ewa", "omar"))
        for number, part, member in (
            (1, Part.CUSTOMER, None),
            (2, Part.CUSTOMER, None),
            (3, Part.REPLY, "ewa"),
            (4, Part.CUSTOMER, None),
        )
    )
    state = replace(watched("omar"), messages=messages, seen=Seen(2, "jan", NOW))
    plan = noted("@adam @omar co wy na to?", state)
    assert [(one.message, one.copy.member) for one in plan.resent] == [(2, "adam"), (4, "adam")]


def test_who_names_nobody_whom_we_know_hears_that_nobody_has_his_note() -> None:
    """An owner whom nobody watches, above all."""
    (told,) = noted("@Marcin, co ty na to?", member="ewa").authored
    assert "Nobody got your note. It names nobody whom we know as @name:" in text_of(told.raw)
    (told,) = noted("@Marcin, co ty na to?").authored
    assert "passed on, but not to everybody" in text_of(told.raw)


@pytest.mark.parametrize("kind", [Kind.NOTE, Kind.DRAFT])
def test_who_writes_to_the_address_for_answers_too_hears_that_it_is_no_answer(kind: Kind) -> None:
    """He may have taken the other address along; commands alone are none in any case."""
    told = house()

    def made(text: str) -> Plan:
        one = matter(kind, mail(text), told)
        answer = replace(one.received.envelope.recipients[0], purpose=Purpose.ANSWER)
        envelope = replace(one.received.envelope, recipients=(*one.received.envelope.recipients, answer))
        one = replace(one, received=replace(one.received, envelope=envelope))
        return note_plan(one, FullState(), told) if kind is Kind.NOTE else draft_plan(one, FullState(), told)

    (said,) = made("Już zwracamy.").authored
    assert [copy.member for copy in said.copies] == ["jan"]
    assert f"so your mail was taken for a {kind}" in text_of(said.raw)
    assert made("#watch").authored == ()


def test_who_is_named_newly_gets_the_draft_that_waits() -> None:
    """He may be asked for his word on just that: #send in a reply to it sends it. Not what was answered for somebody
    else's word, nor what he has."""
    draft = Held(HeldId(3), HeldKind.DRAFT, "jan", 11, NOW)
    held = (draft, replace(draft, id=HeldId(4), kind=HeldKind.CONFLICT, message=12))
    past = Past(11, QueueId("A"), Part.DRAFT, "jan", NOW, "11@x", True, ("ewa", "omar"))
    state = replace(watched(), waiting=held, messages=(past,), contents={11: mail("Szanowna Pani"), 12: mail("x")})
    plan = noted("@adam @omar co wy na to?", state)
    assert [(one.message, one.copy.member, one.copy.role) for one in plan.resent] == [(11, "adam", Role.DESK)]
    assert b"Subject: [draft] Re: Skarga" in plan.resent[0].copy.head

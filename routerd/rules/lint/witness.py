"""A message made of what rules ask for, and whether it shows what it is to show."""

from collections import Counter
from collections.abc import Callable, Iterable

from routerd.message.compose import Draft, compose_message
from routerd.message.view import MessageView
from routerd.rules.conditions.truth import Truth
from routerd.rules.decision import Decision, RuleRef
from routerd.rules.facts import Facts, Seen
from routerd.rules.lint.asking import Asked, Givers, Place
from routerd.rules.lint.atoms import Atom, InboxAtom, LabelAtom
from routerd.rules.lint.effort import Effort, SpentError, Unseen
from routerd.rules.lint.formula import And, Formula, Is, Not, Or
from routerd.rules.lint.sketch import STRANGER, Sketch, sketch_of
from routerd.rules.reading.cases import CLOCK
from routerd.rules.ruleset import Ruleset

_MOST_SHOWN = 400  # characters of its text
_HEADERS_OF_FIELDS = {"cc": "Cc", "reply_to": "Reply-To"}

_STEPS_A_MESSAGE = 250  # made, read and decided by ten thousand rules, of which it matches few
_STEPS_A_MATCH = 15
_BYTES_A_STEP = 250
_STEPS_OF_A_KIND = 150_000

Shows = Callable[[Decision, Facts], bool]


def matched(decision: Decision) -> frozenset[RuleRef]:
    """The rules that match, those on trial among them."""
    trace = decision.trace
    return frozenset((*(match.rule for match in trace.matches), *(trial.rule for trial in trace.trials)))


class Prover:
    """Makes messages and asks the ruleset itself what it decides of them."""

    def __init__(self, ruleset: Ruleset, asked: Iterable[Asked], givers: Givers) -> None:
        self._ruleset = ruleset
        self._asked = tuple(asked)
        self._formulas = {one.place: one.formula for one in self._asked}
        self._by_ref = {one.rule.ref: one for one in self._asked}
        self._givers = givers
        self._efforts: dict[str, Effort] = {}
        self._not_made: Counter[str] = Counter()

    def show(self, kind: str, ways: Iterable[frozenset[Atom]], inboxes: frozenset[str], shows: Shows) -> str:
        """The first message of those ways that the ruleset says `shows` of, as people read it; "" without one.

        Each `kind` of finding has as many steps as the others.
        """
        effort = self._efforts.setdefault(kind, Effort(_STEPS_OF_A_KIND))
        try:
            for atoms in ways:
                sketch = sketch_of(self._with_labels(atoms))
                for inbox in sorted(_inboxes_of(atoms, inboxes))[:1]:
                    draft = _draft_of(sketch, inbox)
                    effort.take(_STEPS_A_MESSAGE)
                    facts = self._facts(sketch, draft, inbox)
                    decision = self._ruleset.decide(facts)
                    effort.take(len(decision.trace.matches) * _STEPS_A_MATCH + len(facts.view.raw) // _BYTES_A_STEP)
                    if shows(decision, facts):
                        return _shown(sketch, draft, facts.sender)
        except SpentError:
            self._not_made[kind] += 1
        return ""

    @property
    def unseen(self) -> tuple[Unseen, ...]:
        """The kinds of finding for some of which no message was made."""
        return tuple(
            Unseen(kind, f"no message was made for {count:,} of the findings") for kind, count in self._not_made.items()
        )

    def meets(self, one: Asked, decision: Decision, facts: Facts) -> bool:
        """Whether the message meets what the rule asks, even where it was not asked."""
        seen = Seen(facts)
        for match in decision.trace.matches:
            giver = self._by_ref[match.rule]
            if giver.place < one.place:
                seen.labels.update(dict.fromkeys(giver.rule.then.labels))
        return one.rule.when.truth(seen) is Truth.YES

    def _with_labels(self, atoms: frozenset[Atom]) -> list[Atom]:
        """With what gives the labels that are asked for, and the labels that those ask for, once each."""
        found = list(sorted(atoms, key=repr))
        looked_up: set[Place] = set()
        for atom in found:  # grows while it is walked through
            if isinstance(atom, LabelAtom) and self._givers.gives(atom.label):
                giver = self._givers.first(atom.label)
                if giver not in looked_up:
                    looked_up.add(giver)
                    found.extend(guess(self._formulas[giver]))
        return found

    def _facts(self, sketch: Sketch, draft: Draft, inbox: str) -> Facts:
        names = self._ruleset.names
        view = MessageView(compose_message(draft), text_limit=names.text_limit)
        return Facts(
            view=view,
            sender=next(iter(sketch.addresses.get("sender", ())), view.author.address if view.author else ""),
            recipients=tuple(sketch.addresses.get("recipient", ())) or (inbox,),
            inbox=names.inboxes.get(inbox, inbox),
            own_addresses=names.own_addresses,
            internal=sketch.internal,
            at=CLOCK,
            delimiter=names.delimiter,
        )


def guess(formula: Formula, wanted: frozenset[Atom] = frozenset()) -> frozenset[Atom]:
    """Atoms that make it true as far as one can see: of alternatives one of `wanted`, else the first."""
    match formula:
        case Is(atom):
            return frozenset((atom,))
        case And(parts):
            return frozenset(atom for part in parts for atom in guess(part, wanted))
        case Or(parts) if parts:
            guesses = [guess(part, wanted) for part in parts]
            return next((one for one in guesses if one & wanted), guesses[0])
        case Not() | Or():
            pass
    return frozenset()


def _inboxes_of(atoms: Iterable[Atom], inboxes: frozenset[str]) -> frozenset[str]:
    for atom in atoms:
        if isinstance(atom, InboxAtom):
            inboxes = inboxes & atom.inboxes
    return inboxes


def _draft_of(sketch: Sketch, inbox: str) -> Draft:
    senders = sketch.addresses.get("from") or [STRANGER]
    first = f"{sketch.from_name} <{senders[0]}>" if sketch.from_name else senders[0]
    headers = list(sketch.headers)
    for field, name in _HEADERS_OF_FIELDS.items():
        if sketch.addresses.get(field):
            headers.append((name, ", ".join(sketch.addresses[field])))
    text = sketch.text
    if sketch.quoted:
        text = f"{text or 'Hello.'}\n\n> {sketch.quoted}\n"
    if sketch.least_bytes:
        text += "\n" + "x\n" * (sketch.least_bytes // 2)
    return Draft(
        sender=", ".join((first, *senders[1:])),
        to=tuple(dict.fromkeys((*sketch.addresses.get("to", ()), inbox))),
        subject=sketch.prefix + sketch.subject,
        at=CLOCK,
        text=text,
        headers=tuple(headers),
        attachments=tuple(sketch.attachments),
    )


def _shown(sketch: Sketch, draft: Draft, sender: str) -> str:
    """The message as a small text: its header, an empty line, what it says."""
    lines = [f"From: {draft.sender}", f"To: {', '.join(draft.to)}", f"Subject: {draft.subject}"]
    lines += [f"{name}: {value}" for name, value in draft.headers]
    lines += [f"Attachment: {one.name} ({one.type}, {len(one.content)} bytes)" for one in draft.attachments]
    if sketch.addresses.get("sender"):
        lines.append(f"MAIL FROM: {sender}")
    if sketch.addresses.get("recipient"):
        lines.append(f"RCPT TO: {', '.join(sketch.addresses['recipient'])}")
    if sketch.internal:
        lines.append("(from a member, authenticated)")
    text = draft.text or ""
    if text.strip():
        lines += ["", *text.strip()[:_MOST_SHOWN].split("\n")]
        if len(text) > _MOST_SHOWN:
            lines.append(f"… ({len(text)} characters)")
    return "\n".join(line.rstrip() for line in lines)

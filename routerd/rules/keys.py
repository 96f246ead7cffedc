"""The words of the rule language, once: what may stand where, what it means, and what is not available yet.

The readers and the editors' schema are both made from these tables.
"""

from dataclasses import dataclass
from enum import StrEnum


class Takes(StrEnum):
    """What a condition's key is followed by."""

    TEXT = "text"
    ADDRESS = "address"
    HEADERS = "headers"
    ATTACHMENT = "attachment"
    NUMBER = "number"
    COUNT = "count"
    LANGUAGES = "languages"
    RESULTS = "results"
    LISTS = "lists"
    TIME = "time"
    CONVERSATION = "conversation"
    KINDS = "kinds"
    LABELS = "labels"
    TRUE = "true"
    CONDITIONS = "conditions"
    NEGATED = "negated"


@dataclass(frozen=True, slots=True)
class ConditionKey:
    takes: Takes
    help: str


CONDITIONS = {
    "text": ConditionKey(Takes.TEXT, "the subject or the new text: where people look"),
    "subject": ConditionKey(Takes.TEXT, "the decoded Subject without Re:, Fwd: and their kin"),
    "body": ConditionKey(Takes.TEXT, "what the sender newly wrote; quoted replies and the signature are cut"),
    "everything": ConditionKey(Takes.TEXT, "the subject and the whole text, quotes included"),
    "from": ConditionKey(Takes.ADDRESS, "the address in From"),
    "customer": ConditionKey(Takes.ADDRESS, "Reply-To where From is an address of ours (a web form), else From"),
    "from_name": ConditionKey(Takes.TEXT, "the display name in From"),
    "reply_to": ConditionKey(Takes.ADDRESS, "the addresses in Reply-To"),
    "to": ConditionKey(Takes.ADDRESS, "the addresses in To; true where any fits"),
    "cc": ConditionKey(Takes.ADDRESS, "the addresses in Cc; true where any fits"),
    "sender": ConditionKey(Takes.ADDRESS, "the envelope's MAIL FROM; exists: false is the null sender"),
    "recipient": ConditionKey(Takes.ADDRESS, "the envelope's RCPT TO with its +detail"),
    "inbox": ConditionKey(Takes.ADDRESS, "the inbox it came to"),
    "header": ConditionKey(Takes.HEADERS, "any header by its name, decoded; Subject with its prefixes"),
    "attachment": ConditionKey(Takes.ATTACHMENT, "one attachment that meets all of name, type and size"),
    "attachments": ConditionKey(Takes.COUNT, "how many attachments there are"),
    "size": ConditionKey(Takes.NUMBER, "the message's size when decoded"),
    "recipients": ConditionKey(Takes.COUNT, "how many addresses there are in To and Cc, each counted once"),
    "language": ConditionKey(Takes.LANGUAGES, "the language of the new text (ISO 639-1), where it can be told"),
    "is": ConditionKey(Takes.KINDS, "the sort of message; internal is a member's address, and authenticated"),
    "auth": ConditionKey(Takes.RESULTS, "what was verified, by method; all must hold, temperror is unknown"),
    "dnsbl": ConditionKey(Takes.LISTS, "lists of dnsbl in routerd.yaml that the client is on"),
    "at": ConditionKey(Takes.TIME, "when it was accepted, by a calendar or by days and hours of a time zone"),
    "conversation": ConditionKey(Takes.CONVERSATION, "the conversation it belongs to, as it was before; all must hold"),
    "label": ConditionKey(Takes.LABELS, "labels that rules above gave this message"),
    "always": ConditionKey(Takes.TRUE, "true: every message"),
    "all": ConditionKey(Takes.CONDITIONS, "all of these conditions hold"),
    "any": ConditionKey(Takes.CONDITIONS, "at least one of these conditions holds"),
    "not": ConditionKey(Takes.NEGATED, "one condition that does not hold, or a list of which none holds"),
}

TEXT_OPERATORS = {
    "contains": "any of these stands in it, also inside a word",
    "word": "any of these stands in it as whole words; a phrase as consecutive words",
    "stem": "any inflected form of these words stands in it; a phrase word by word",
    "equals": "it is one of these",
    "starts_with": "it begins with one of these",
    "ends_with": "it ends with one of these",
    "regex": "any of these RE2 patterns is found in it; case-insensitive unless (?-i)",
    "exists": "true: it is there and not blank; false: it is not",
}
BESIDE_OPERATORS = {
    "also": "further words that suffice, compared as `word`: what a stemmer misses",
    "exact": "true: case and marks count; only NFKC, invisible characters and white space are evened out",
}

# Of addresses, and of names and types of attachments.
IN_FILE = {"in": "a file of such terms beside the rule files, one a line"}
OTHER_THAN = {"other_than": "there is one that is none of these"}

ADDRESS_OPERATORS = {
    **OTHER_THAN,
    "regex": "any of these RE2 patterns is found in an address",
    "exists": "true: there is an address; false: there is none",
}
NOT_FOR_ADDRESSES = (*(TEXT_OPERATORS.keys() - ADDRESS_OPERATORS.keys()), *BESIDE_OPERATORS)

NUMBER_OPERATORS = {"over": "more than this", "under": "less than this", "equals": "exactly this"}

ATTACHMENT_KEYS = {
    "name": "its file name: text",
    "type": "its media type, such as application/pdf or image/*",
    "size": "its decoded size",
    "exists": "true: there is an attachment; false: there is none",
}

AT_KEYS = {
    "during": "inside the working hours of this calendar of routerd.yaml",
    "outside": "outside them",
    "days": "days such as mon-fri; absent: every day",
    "hours": "hours such as 08:00-17:00; the end is excluded, 22:00-06:00 belongs to the day it starts",
    "zone": "the time zone of days and hours, such as Europe/Warsaw",
}

CONVERSATION_KEYS = {
    "known": "true: there is one; false: this message begins one",
    "owner": "its owner: this member, or somebody of this team",
    "label": "a label that its messages were given before",
    "state": "open, answered, snoozed or closed",
    "messages": "how many messages it had before this one",
    "waiting": "how long the customer has been waiting for an answer, such as {over: 2d}",
}

KINDS = {
    "reply": "answers another message",
    "forward": "forwards another message",
    "auto": "was sent by a machine: an out-of-office and its kin (RFC 3834)",
    "bounce": "a report that mail could not be delivered",
    "list": "comes from a mailing list",
    "bulk": "a newsletter or other bulk mail",
    "encrypted": "its text is encrypted",
    "signed": "bears an S/MIME or OpenPGP signature",
    "calendar": "carries an invitation",
    "internal": "from a member's address, and authenticated",
}

ACTIONS = {
    "assign": "the member or team that owns the message; or a team and its way to pick, or a look-up table",
    "label": "labels to add",
    "priority": "high, normal or low",
    "watch": "members or teams that get a copy too",
    "respond_within": "by when to answer, such as 4h, in working hours of the team's calendar; the shortest counts",
    "header": "headers that the copies bear, such as {X-Ticket-Class: B2B}; cut from what comes in",
    "forward": "addresses outside that get a copy too",
    "hold": "a reason: the message waits for the postmaster",
    "reject": "a text: the message is refused with 550 5.7.1 and it",
    "reply": "an automatic reply to the customer: {template: received, once_per: 24h}",
    "approve": "members or teams: answers to the customer wait until one of them says #send",
    "reassign": "true: `assign` holds in a known conversation, too",
    "stop": "true ends this file for this message, all ends everything",
}

ASSIGN_KEYS = {
    "team": "a team",
    "pick": "the way to pick from it, in place of its own: last is who last had this customer, else the team's way",
    "by": "whose addresses are looked up in `in`",
    "in": "a file of rows ADDRESS-OR-DOMAIN,MEMBER-OR-TEAM beside the rule files; no row: the rule does not assign",
}
REPLY_KEYS = {
    "template": "a template's name: the file NAME.txt in the folder `templates` of routerd.yaml",
    "once_per": "to one address at most once in so long, from 1h to 90d; default 24h",
}
LOOK_UP_FIELDS = ("customer", "from", "sender")

FILE_KEYS = {
    "lang": "the languages of `stem` for words in Latin script, each tried; default [en]",
    "inbox": "only mail to these inboxes is read by this file's rules",
    "rules": "the rules, read from top to bottom",
    "tests": "messages, and what the whole ruleset must say of them",
    "mode": "trial: the rules are asked in their place and have no effect",
}

RULE_KEYS = {
    "name": "unique in its file, up to 80 characters, none of , : /",
    "when": "conditions that must all hold",
    "then": "what is done",
    "mode": "trial: `when` is asked in its place, `then` is noted and has no effect",
    "allow": "findings of `check` that are meant to be, such as two-owners",
}

TEST_KEYS = {
    "name": "what holds, as a sentence",
    "message": "the message that comes in",
    "given": "what else is so",
    "expect": "what must come of it",
    "todo": "true marks a known gap: the test must fail",
}
MESSAGE_KEYS = {
    "from": "Name <address>",
    "to": "one address or several",
    "subject": "the Subject",
    "body": "the plain text",
    "html": "an HTML text, beside the plain one or alone",
    "headers": "further headers by name",
    "attachments": "attachments by name, type and size",
    "eml": "a file with the whole message, beside the rule files; then nothing else stands here",
}
GIVEN_KEYS = {
    "at": "when it arrives, such as 2025-01-15T10:00:00Z; needed where a rule asks",
    "away": "members who are away; without it nobody is",
    "load": "messages that members were assigned of late: {ewa: 3}",
    "recipient": "RCPT TO, where it is not the one inbox in `to`",
    "internal": "true: authenticated as a member",
    "auth": "what was verified, such as {dmarc: pass}",
    "dnsbl": "lists of dnsbl in routerd.yaml that the client is on; without it none",
    "conversation": "the conversation it belongs to, such as {owner: jan}",
    "trial": "live: rules on trial take effect",
}
GIVEN_CONVERSATION_KEYS = {
    "owner": "the member who owns it",
    "team": "the team he was picked from",
    "label": "labels of its messages",
    "state": "open, answered, snoozed or closed; without it open",
    "messages": "how many messages it had; without it 1",
    "waiting": "how long the customer has been waiting; without it he is not",
}
EXPECT_KEYS = {
    "owner": "the member who gets it",
    "team": "the team that the rules, the default or the known conversation named; none for a member",
    "labels": "at least these labels",
    "labels_exactly": "these labels and no other",
    "labels_exclude": "none of these labels",
    "rules": "this file's matching rules, in order",
    "all_rules": "all matching rules in order, as FILE/NAME",
    "priority": "high, normal, low, or none",
    "watchers": "the members who get a copy too",
    "respond_within": "by when to answer, such as 4h; none",
    "headers": "at least these headers that rules give, with these values; [] for none",
    "forward": "the addresses outside that get a copy too",
    "held": "true or false, or the reason",
    "rejected": "true or false, or the text",
    "approve": "the members and teams one of whom must say #send before an answer goes out; [] for nobody",
    "reply": "the template of the automatic reply, or none",
    "inbox": "the inbox that it lives in",
}
ATTACHMENT_OF_TEST_KEYS = {"name": "file name", "type": "media type", "size": "bytes, such as 20KB"}

"""Rule files as values: tame ones are right but for what must not stand together, in wild ones anything may stray."""

import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from routerd.rules import keys
from routerd.rules.keys import Takes

TERMS = (
    "skarg", "Skarga na fakturę", "invoice", "na", "شكوى", "بالشكوى", "发票", "жалоба", "Łódź", "x-y", "12", "Straße",
    "aaaa", "skarga na", "😀",
)  # fmt: skip
ODD_TERMS = (
    "a", "-", "ﬁ", "\u200f", "\u202eevil", "e" + "\u0301" * 200, "\u0301", "\u00ad", " ", "", "\t", "\0", "\x85",
    "\u2028", "a" * 100, "a\nb", "Re:", "ticket #12", "„faktura”", "a، b", "no", "2026", "0755", "~", "null", "=", "<<",
    "*",
    "&a", "\ufeff", "\ufffe", "\U0010ffff", "İ", "ſ", "٣", "１", "Ⅷ", "K" * 3, "\ud800", "b" * 2_001,
    "x" * 100_000, "a b " * 400,
)  # fmt: skip
ADDRESSES = ("anna@klient.pl", "klient.pl", ".gov.pl", "@klient.pl", "*@*.gov.pl", "x@a.gov.pl", "ż.pl")
ODD_ADDRESSES = (
    "pl", ".", "@", "a@b@c", "a@[127.0.0.1]", "ż@ż.pl", "xn--0.pl", "-a.pl", "a" * 300 + ".pl", "*", "?", "*" * 300,
    "?*" * 200 + ".pl", "support@example.com", " ", "a..b@x.pl", '"a b"@x.pl', "a@b.c\n", "a\u200f@b.pl", "٣.pl",
    "ｋlient.pl",
)  # fmt: skip
TARGETS = ("ewa", "jan", "omar", "finance", "sales", "duty", "lottery")
_ODD_NAMES = ("Ewa", "nobody", "", "finance\u200f", "x" * 500, "a,b", "a:b", "a/b", "\u200f", " r", "r" * 5_000, "\x1b")
_REGEXES = (
    r"skarg\w", r"\bna\b", r"(a+)+$", r"(a|a)*b", r"a(.*)*x", r"(((((a*)*)*)*)*)b", "a|" * 900 + "b", r"\pL+",
    r"[^\W\d_]+",
    r"(?i)(?-i)x", r"a{500}", r"\d{4}-\d\d?", r"faktur[aęy]", r"(?m)^b", r"[\w-z]+@", r"(?s)a.*b",
)  # fmt: skip
_ODD_REGEXES = (
    r"(.*)*x", r"((a{0,30}){0,30}){0,30}", r"\w{1000}", r"(\w{30}){30}", "(" * 500 + "a" + ")" * 500, "(" * 2_000,
    "[" * 1_000, r"a\Bb", r"(?=a)", r"\1", "x*", "", r"\Q", "[z-a]", "a{1000}{1000}", r"\x{110000}", "(?P<n>a)(?P<n>b)",
    "^$", "a" * 2_001, "ſ", "\\", r"\w{13}",
)  # fmt: skip
_LABELS = ("red", "green", "a/b", "шутка", "RED", "x" * 64)
_ODD_LABELS = ("a b", "x" * 65, "", "\u202e", "red\u0301", "-", "red,green", "e\u0301")
_INBOXES = ("support@example.com", "billing@example.com", "help@example.com", "SUPPORT@example.com")
_NUMBERS = ("0", "1", "2", "10", "500", "2000")
_SIZES = ("5MB", "1KB", "1 GB")
_ODD_NUMBERS = (
    "-1", "1e9", "0x10", "9" * 30, "9" * 5_000, "1.5", "٣", "NaN", "1_000", "01", "9999999999999GB", "5mb", "", "1TB",
)  # fmt: skip
_DURATIONS = ("4h", "2d", "90m", "1y")
_ODD_DURATIONS = ("0s", "99999999999d", "9" * 400 + "w", "-1h", "1.5h", "4 h", "h", "4hh", "٣h")
_DATES = ("2025-01-15T10:00:00Z", "2025-01-18", "2025-01-15 10:00:00.999", "2025-07-01T00:00:00+14:00")
_ODD_DATES = (
    "2025-02-30", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "10000-01-01", "now", "2025-W01-1",
    "20250115T10",
    "2025-01-15T24:00:00", "", "9" * 300, "0001-01-01", "9999-12-31",
)  # fmt: skip
_HOURS = ("08:00-17:00", "22:00-06:00", "00:00-24:00", "10:00-10:30")
_ODD_HOURS = ("24:00-25:00", "8-17", "10:00-10:00", "٠٨:٠٠-١٧:٠٠", "08:00", "-")
_DAYS = ("mon-fri", "sat", "fri-mon")
_ODD_DAYS = ("sun-sun", "Mon", "monday", "mon-", "1-5", "")
_ZONES = ("Europe/Warsaw", "UTC")
_ODD_ZONES = ("../../etc/passwd", "/etc/localtime", "Europe", "", "\0", "EST5EDT", "x" * 5_000, "..", "localtime")
_ODD_PATHS = (
    "lists/none.txt", "../a", "/etc/passwd", "", ".", "lists", "./lists/a.txt", "a\0b", "lists//a.txt", "0.yaml",
    "x" * 5_000, "lists/../lists/a.txt", "lists/b.csv",
)  # fmt: skip
_SENDERS = ("Anna <anna@klient.pl>", "x@a.gov.pl", "Ewa <ewa@example.com>")
_ODD_SENDERS = ("", ",", "a" * 2_000, "<>", "Ż <ż@ż.pl>", "\r\nX: y", "@@@", "\u202e <a@b.pl>")
_ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1e400, "", " ", [], {}, [[]], [{}], {"": ""}, [None], {"a": {"b": "c"}}, "x",
    "true",
    "2026",
    ["a", ["b", ["c"]]], {"in": "lists/a.txt"}, {"exists": True}, {"over": "5MB"}, "~", {"not": {}}, [1, "a", None, {}],
)  # fmt: skip
_STRAYS = 0.06  # of the values of a wild file, something else stands there
_MANY = (100, 2_000)


class RuleValues:
    """One file's values."""

    def __init__(self, source: random.Random, wild: bool) -> None:
        self._source = source
        self._wild = wild

    def file(self) -> Any:
        few = self._source.choice((1, 1, 2, 3, 6))
        found: dict[str, Any] = {"rules": [self._rule(number) for number in range(few)]}
        if self._happens(0.1):
            found["inbox"] = self._some(_INBOXES)
        if self._happens(0.3):
            found["lang"] = self._some(("en", "pl", "de", "tr"), ("ar", "polish", "xx", ""))
        if self._happens(0.2):
            found["tests"] = [self._case(few) for _ in range(self._source.choice((1, 2)))]
        if self._happens(0.05):
            found["mode"] = "trial"
        return self._strayed(found)

    def _rule(self, number: int) -> Any:
        name = self._source.choice(_ODD_NAMES) if self._is_odd() else f"r{number}"
        rule: dict[str, Any] = {"name": name, "when": self._when(3), "then": self._then()}
        if self._happens(0.1):
            rule["mode"] = "trial"
        if self._happens(0.1):
            rule["allow"] = self._some(("two-owners", "never", "shadowed"), ("x", ""))
        return self._strayed(rule)

    def _when(self, depth: int) -> Any:
        return self._strayed(dict(self._condition(depth) for _ in range(self._source.choice((1, 1, 1, 2, 3)))))

    def _condition(self, depth: int) -> tuple[str, Any]:
        key = self._source.choice(tuple(keys.CONDITIONS))
        takes = keys.CONDITIONS[key].takes
        if takes in (Takes.CONDITIONS, Takes.NEGATED) and depth == 0:
            key, takes = "subject", Takes.TEXT
        if takes is Takes.CONDITIONS:
            return key, self._strayed([self._when(depth - 1) for _ in range(self._source.choice((1, 2, 3)))])
        if takes is Takes.NEGATED:
            return key, self._strayed([self._when(depth - 1) for _ in range(self._source.choice((1, 1, 2)))])
        if takes is Takes.ADDRESS:
            return key, self._strayed(self._addresses(_INBOXES[:2] if key == "inbox" else ADDRESSES, key))
        return key, self._strayed(self._of(takes))

    def _of(self, takes: Takes) -> Any:
        made: dict[Takes, Callable[[], Any]] = {
            Takes.TEXT: self._text,
            Takes.HEADERS: lambda: {
                self._one(("X-Test", "Subject", "x-a"), ("a b", "", "X" * 200, "\0")): self._text()
            },
            Takes.ATTACHMENT: self._attachment,
            Takes.NUMBER: lambda: self._number(_NUMBERS + _SIZES),
            Takes.COUNT: lambda: self._number(_NUMBERS),
            Takes.LANGUAGES: lambda: self._some(("pl", "ar", "en"), ("xx", "")),
            Takes.RESULTS: lambda: {
                self._one(("dmarc", "spf", "dkim"), ("arc",)): self._some(("pass", "fail", "none"), ("temperror", "x"))
            },
            Takes.LISTS: lambda: self._some(("zen.example", "two.example"), ("x", "")),
            Takes.TIME: self._at,
            Takes.CONVERSATION: self._conversation,
            Takes.KINDS: lambda: self._some(tuple(keys.KINDS), ("x",)),
            Takes.LABELS: lambda: self._some(_LABELS, _ODD_LABELS),
            Takes.TRUE: lambda: self._one((True,), (False, "yes")),
        }
        return made[takes]()

    def _text(self) -> Any:
        operator = self._source.choice((*keys.TEXT_OPERATORS, "contains", "contains"))
        if operator == "exists":
            return {"exists": self._happens(0.5)}
        if operator == "regex":
            return {"regex": self._some(_REGEXES, _ODD_REGEXES)}
        if operator == "contains" and self._happens(0.5):
            return self._terms()
        terms = ("skarga", "na fakturę", "شكوى", "发票", "12") if operator in ("stem", "word") else TERMS
        found = {operator: self._terms(terms)}
        if self._happens(0.2):
            found["also"] = self._terms(("skardze", "بالشكوى", "a b"))
        if operator != "stem" and self._happens(0.2):
            found["exact"] = self._one((True,), ("yes", None))
        if self._is_odd():
            found[self._source.choice(tuple(keys.TEXT_OPERATORS))] = "two"
        return found

    def _terms(self, choices: Sequence[str] = TERMS) -> Any:
        found = self._some(choices, ODD_TERMS)
        if self._happens(0.1):
            found = [*(found if isinstance(found, list) else [found]), {"in": self._path("lists/a.txt")}]
        return found

    def _path(self, usual: str) -> str:
        return self._one((usual,), _ODD_PATHS)

    def _addresses(self, choices: Sequence[str], key: str) -> Any:
        operator = self._source.choice(("", "", "", "other_than", "regex", "exists"))
        if operator == "exists" or (operator == "regex" and key == "inbox"):
            return {"exists": self._happens(0.5)} if key != "inbox" else self._some(choices, ODD_ADDRESSES)
        if operator == "regex":
            return {"regex": self._some(_REGEXES, _ODD_REGEXES)}
        value = self._some(choices, ODD_ADDRESSES)
        return {operator: value} if operator else value

    def _number(self, choices: Sequence[str]) -> Any:
        operator = self._source.choice(tuple(keys.NUMBER_OPERATORS))
        return {operator: self._one(choices[operator == "under" :], _ODD_NUMBERS)}

    def _attachment(self) -> Any:
        made: dict[str, Callable[[], Any]] = {
            "name": self._text,
            "type": lambda: self._some(("application/pdf", "image/*"), ("*/*", "x", "a/b/c", "*" * 200)),
            "size": lambda: self._number(_NUMBERS + _SIZES),
        }
        if self._happens(0.2):
            return {"exists": self._happens(0.5)}
        return {key: made[key]() for key in self._source.sample(tuple(made), self._source.choice((1, 1, 2)))}

    def _conversation(self) -> Any:
        made: dict[str, Callable[[], Any]] = {
            "known": lambda: self._one((True,), (False,)),
            "owner": lambda: self._some(TARGETS, _ODD_NAMES),
            "label": lambda: self._some(_LABELS, _ODD_LABELS),
            "state": lambda: self._some(("open", "closed"), ("x",)),
            "messages": lambda: self._number(_NUMBERS),
            "waiting": lambda: {self._one(("over", "under"), ("equals",)): self._one(_DURATIONS, _ODD_DURATIONS)},
        }
        return {key: made[key]() for key in self._source.sample(tuple(made), self._source.choice((1, 2, 3)))}

    def _at(self) -> Any:
        if self._happens(0.4):
            return {self._one(("during", "outside")): self._some(("office", "night"), ("never", ""))}
        return {
            "zone": self._one(_ZONES, _ODD_ZONES),
            "days": self._some(_DAYS, _ODD_DAYS),
            "hours": self._one(_HOURS, _ODD_HOURS),
        }

    def _then(self) -> Any:
        made: dict[str, Callable[[], Any]] = {
            "assign": self._assign,
            "label": lambda: self._some(_LABELS, _ODD_LABELS),
            "priority": lambda: self._one(("high", "normal", "low"), ("x", "")),
            "watch": lambda: self._some(TARGETS, _ODD_NAMES),
            "respond_within": lambda: self._one(_DURATIONS, _ODD_DURATIONS),
            "header": lambda: {self._one(("X-Class", "x-class"), ("Subject", "X-\n", "X-Routerd-X")): self._one(TERMS)},
            "forward": lambda: self._some(("a@far.example", "b@far.example"), ODD_ADDRESSES),
            "hold": lambda: self._one(("wait", "a reason"), ODD_TERMS),
            "reject": lambda: self._one(("no thanks",), (*ODD_TERMS, "a" * 5_000)),
            "stop": lambda: self._one((True, True, "all"), ("x", False)),
        }
        wanted = ["label", *self._source.sample(tuple(made), self._source.choice((0, 0, 1, 2, 4)))]
        found = {key: made[key]() for key in wanted}
        if "assign" in found and self._happens(0.2):
            found["reassign"] = self._one((True,), (False,))
        return self._strayed(found)

    def _assign(self) -> Any:
        teams = self._one(("finance", "sales"), _ODD_NAMES)
        return self._source.choice(
            (
                self._one(TARGETS, _ODD_NAMES),
                {"team": teams, "pick": self._one(("last", "random", "first"), ("x",))},
                {"by": self._one(("customer", "from"), ("x",)), "in": self._path("lists/b.csv")},
            )
        )

    def _case(self, rules: int) -> Any:
        message: dict[str, Any] = {
            "from": self._one(_SENDERS, _ODD_SENDERS),
            "to": self._one(_INBOXES, (*_ODD_SENDERS, "x@example.com")),
            "subject": self._one(TERMS, ODD_TERMS),
            self._one(("body", "html")): self._one(TERMS, ODD_TERMS),
        }
        if self._happens(0.1):
            message["headers"] = {
                self._one(("X-Test", "Cc"), ("From", "a b", "", "Subject")): self._one(TERMS, ODD_TERMS)
            }
        if self._happens(0.1):
            sizes = {"name": self._one(TERMS, ODD_TERMS), "size": self._one(_NUMBERS, _ODD_NUMBERS), "type": "a/b"}
            message["attachments"] = [sizes]
        given: dict[str, Callable[[], Any]] = {
            "at": lambda: self._one(_DATES, _ODD_DATES),
            "away": lambda: self._some(TARGETS[:3], _ODD_NAMES),
            "load": lambda: {self._one(TARGETS[:3], _ODD_NAMES): self._one(_NUMBERS, _ODD_NUMBERS)},
            "recipient": lambda: self._one(_INBOXES, ("x@y", "")),
            "internal": lambda: True,
            "auth": lambda: {"dmarc": self._one(("pass", "temperror"), ("x",))},
            "conversation": lambda: {"owner": self._one(TARGETS[:3], _ODD_NAMES)},
            "trial": lambda: "live",
        }
        expect: dict[str, Callable[[], Any]] = {
            "owner": lambda: self._one(TARGETS[:3], _ODD_NAMES),
            "team": lambda: self._one(("finance", "none"), ("x",)),
            "labels": lambda: self._some(_LABELS, _ODD_LABELS),
            "labels_exactly": lambda: self._one(([], ["red"]), ("x y", [[]])),
            "rules": lambda: [f"r{self._source.randrange(rules + 1)}"],
            "priority": lambda: self._one(("high", "none"), ("x",)),
            "held": lambda: self._one((True, "x"), ([],)),
            "inbox": lambda: self._one(_INBOXES, ("x",)),
        }
        case = {
            "name": self._one(("a test",), _ODD_NAMES),
            "message": self._strayed(message),
            "given": self._strayed({key: given[key]() for key in self._source.sample(tuple(given), 2)}),
            "expect": self._strayed({key: expect[key]() for key in self._source.sample(tuple(expect), 2)}),
        }
        return self._strayed(case)

    def _happens(self, share: float) -> bool:
        return self._source.random() < share

    def _is_odd(self) -> bool:
        return self._wild and self._happens(0.1)

    def _one(self, right: Sequence[Any], odd: Sequence[Any] = ()) -> Any:
        return self._source.choice(odd if odd and self._is_odd() else right)

    def _some(self, right: Sequence[str], odd: Sequence[str] = ()) -> Any:
        """One, a list of a few, or sometimes of many."""
        if self._wild and self._happens(0.004):
            return [f"{self._one(right)}{number}" for number in range(self._source.choice(_MANY))]
        found = [self._one(right, odd) for _ in range(self._source.choice((1, 1, 2, 3)))]
        return found[0] if self._happens(0.4) else list(dict.fromkeys(found)) if not self._wild else found

    def _strayed(self, value: Any) -> Any:
        """Mostly as it is; something else, or with a key too many or too few."""
        if not (self._wild and self._happens(_STRAYS)):
            return value
        match self._source.randrange(4):
            case 0:
                return self._source.choice(_ODD)
            case 2 if isinstance(value, dict):
                odd_keys: Iterable[Any] = ("x", "", "name", "in", "\u200f", "not", "rules", "1", "x" * 1_000)
                return {**value, self._source.choice(tuple(odd_keys)): self._source.choice(_ODD)}
            case 3 if isinstance(value, dict):
                return dict(list(value.items())[1:])
        return [value]

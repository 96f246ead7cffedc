"""Generated conditions on what surrounds a message, and generated circumstances that some of them meet."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from routerd.rules.facts import ConversationFacts, DnsLists


def some(*choices: str) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(choices), min_size=1, max_size=2, unique=True)


def numbers(*choices: str) -> st.SearchStrategy[dict[str, str]]:
    return st.builds(
        lambda operator, number: {operator: number},
        st.sampled_from(["over", "under", "equals"]),
        st.sampled_from(choices),
    )


times = st.one_of(
    st.fixed_dictionaries({"during": some("office", "night")}),
    st.fixed_dictionaries({"outside": some("office", "night")}),
    st.builds(
        lambda zone, parts: {"zone": zone, **parts},
        st.sampled_from(["Europe/Warsaw", "America/New_York", "UTC"]),
        st.fixed_dictionaries(
            {"days": some("mon-fri", "sat", "fri-mon", "sun")}, optional={"hours": some("08:00-17:00", "22:00-06:00")}
        )
        | st.fixed_dictionaries({"hours": some("00:00-24:00", "12:00-00:00", "10:00-10:30")}),
    ),
)
results = {
    "dmarc": ["pass", "fail", "none"],
    "spf": ["pass", "softfail", "none"],
    "dkim": ["pass", "fail", "neutral"],
}
asked_results = st.fixed_dictionaries(
    {}, optional={method: some(*values) for method, values in results.items()}
).filter(bool)
of_conversations = {
    "owner": some("ewa", "jan", "finance", "sales"),
    "label": some("red", "urgent"),
    "state": some("open", "closed"),
    "messages": numbers("1", "2"),
    "waiting": numbers("1h", "2d"),
}
conversations = (
    st.fixed_dictionaries({}, optional={"known": st.just(True), **of_conversations}).filter(bool)
    | st.just({"known": False})
    | st.fixed_dictionaries({"messages": numbers("1", "2")})
)
types = some("application/pdf", "image/*", "*/zip")
names = some("faktura.pdf", "a.zip", "zal")
of_names = (
    names
    | names.map(lambda listed: {"other_than": listed})
    | st.builds(
        lambda operator, listed: {operator: listed},
        st.sampled_from(["word", "equals", "starts_with", "ends_with"]),
        names,
    )
    | st.sampled_from(
        [{"exists": True}, {"exists": False}, {"regex": [r"\.zip$", "^za"]}, {"word": "Faktura", "exact": True}]
    )
)
attachments = st.fixed_dictionaries(
    {},
    optional={
        "type": types | types.map(lambda listed: {"other_than": listed}),
        "name": of_names,
        "size": numbers("10", "1KB"),
    },
).filter(bool) | st.sampled_from([{"exists": True}, {"exists": False}])
conditions = st.one_of(
    st.fixed_dictionaries({"at": times}),
    st.fixed_dictionaries({"auth": asked_results}),
    st.fixed_dictionaries({"dnsbl": some("zen.example", "two.example")}),
    st.fixed_dictionaries({"conversation": conversations}),
    st.fixed_dictionaries({"attachment": attachments}),
    st.fixed_dictionaries({"attachments": numbers("1", "2")}),
    st.fixed_dictionaries({"recipients": numbers("1", "2")}),
    st.fixed_dictionaries({"size": numbers("1KB", "2KB")}),
    st.fixed_dictionaries({"language": some("pl", "ar", "en", "de")}),
)
# Around the holiday, a weekend, midnight, and the hours at which calendars open and close.
moments = st.builds(
    lambda day, hour, minute: datetime(2025, 1, day, hour, minute, tzinfo=UTC),
    st.sampled_from([5, 6, 7, 17, 18, 19]),
    st.sampled_from([5, 6, 7, 15, 16, 21, 23]),
    st.sampled_from([0, 29, 30, 59]),
)
known = st.builds(
    ConversationFacts,
    st.sampled_from(["ewa", "jan", "omar"]),
    st.sampled_from([None, "finance", "sales"]),
    st.frozensets(st.sampled_from(["red", "urgent"])),
    st.sampled_from(["open", "closed"]),
    st.integers(1, 3),
    st.sampled_from([None, timedelta(minutes=59), timedelta(hours=1), timedelta(days=3)]),
)
zones = st.frozensets(st.sampled_from(["zen.example", "two.example"]))
circumstances = st.fixed_dictionaries(
    {
        "at": moments | st.none(),
        "results": st.fixed_dictionaries(
            {}, optional={method: st.sampled_from([*values, "temperror"]) for method, values in results.items()}
        ),
        "dnsbl": st.builds(DnsLists, zones, zones),
        "conversation": st.none() | known,
        "to": st.sampled_from([("support@example.com",), ("support@example.com, a@b.example",)]),
        "attachments": st.lists(
            st.sampled_from(
                [
                    ("Faktura.pdf", "application/pdf", b"x" * 2000),
                    ("a.zip", "application/zip", b"x"),
                    ("załącznik.png", "image/png", b"x" * 10),
                    ("", "image/jpeg", b"x" * 1000),
                ]
            ),
            max_size=2,
        ),
    }
)

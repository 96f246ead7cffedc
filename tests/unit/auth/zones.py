"""DNS as a dict, for what has its look-ups injected."""

from collections.abc import Mapping

from routerd.auth.dns_answers import Absent, Answer, RecordKind, Records, Trouble

TROUBLE = Trouble("no answer in time")


class Zone:
    """`records`: `"_dmarc.klient.pl TXT"` → its values, or TROUBLE. What is not in it, nor above what is, is NXDOMAIN.

    `asked` are the questions in their order.
    """

    def __init__(self, records: Mapping[str, str | tuple[str, ...] | Trouble] | None = None) -> None:
        self.records = {}
        for question, values in (records or {}).items():
            self.records[question] = (values,) if isinstance(values, str) else values
        self.names = {question.partition(" ")[0] for question in self.records}
        self.asked: list[str] = []

    async def look_up(self, name: str, kind: RecordKind) -> Answer:
        question = f"{name} {kind}"
        self.asked.append(question)
        values = self.records.get(question)
        if isinstance(values, Trouble):
            return values
        if values is not None:
            return Records(values, 300.0)
        exists = any(known == name or known.endswith(f".{name}") for known in self.names)
        return Absent(is_nxdomain=not exists, seconds=300.0)

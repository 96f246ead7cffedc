"""The content of one message, from the bytes behind DATA to the last of them: given out, or refused. Pure."""

from routerd.intake.protocol import refusals
from routerd.intake.protocol.content_guard import ContentGuard
from routerd.intake.protocol.data import DataDecoder
from routerd.intake.protocol.events import Declined
from routerd.intake.protocol.terms import Terms
from routerd.message.envelope import Refused

PATIENCE = 4  # times the largest message: so much is read and thrown away before the connection is closed


class ContentReader:
    """What is refused is read on to its end, so that the client hears why, and not that the line broke."""

    __slots__ = ("_decoder", "_endless_bytes", "_refused_by_host")

    def __init__(self, terms: Terms, *, normalises: bool) -> None:
        guard = ContentGuard(terms.header_size, terms.header_fields, terms.line_size)
        self._decoder = DataDecoder(terms.message_size, normalise=normalises, look=guard.look)
        self._endless_bytes = PATIENCE * terms.message_size
        self._refused_by_host: Declined | None = None

    def feed(self, chunk: bytes) -> bytes:
        """The content that is certain by now; b"" once it is refused. Not to be called once `is_over`."""
        piece = self._decoder.feed(chunk)
        return b"" if self._refused_by_host else piece

    def refuse(self, refused: Declined) -> None:
        """The host cannot keep it."""
        self._refused_by_host = refused

    @property
    def is_refused(self) -> bool:
        return self._refused_by_host is not None or self._decoder.defect is not None

    @property
    def is_over(self) -> bool:
        """All has come, or more than will be listened to."""
        return self._decoder.finished or self.is_endless

    @property
    def is_endless(self) -> bool:
        return self._decoder.size_bytes > self._endless_bytes

    @property
    def rest(self) -> bytes:
        """What came behind the end: commands again."""
        return self._decoder.rest

    @property
    def refusal(self) -> tuple[Refused, str] | None:
        """Why it is refused, and the word it is counted under; final once `is_over`."""
        if self._refused_by_host is not None:
            return self._refused_by_host, self._refused_by_host.reason
        defect = self._decoder.defect
        return None if defect is None else (refusals.OF_CONTENT[defect], defect.value)

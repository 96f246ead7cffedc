"""Why a signature is none that counts."""

from typing import Literal

SignatureVerdict = Literal["pass", "fail", "policy", "neutral", "temperror", "permerror"]  # RFC 8601 2.7.1


class Unverified(Exception):  # noqa: N818  # no error of ours: what is to be said of the signature
    """`verdict` and why, in ASCII words that fit an Authentication-Results field."""

    def __init__(self, verdict: SignatureVerdict, reason: str) -> None:
        super().__init__(reason)
        self.verdict: SignatureVerdict = verdict
        self.reason = reason

"""The labels that routerd gives by itself. Rules may ask for them as for any other."""

REROUTED = "rerouted"
BOUNCE = "bounce"
AUTOMATIC = "auto"
DMARC_FAIL = "dmarc-fail"
SUSPECT = "thread-suspect"
OVERDUE = "overdue"
UNDECIDED = "routerd-error"

OWN_LABELS = {
    REROUTED: "this copy took the place of another that could not be delivered, or was released while its owner was"
    " away; `X-Routerd-Why` begins with the reason",
    BOUNCE: "came from the null sender to the return path of one of our copies and is to be read by a person: a bounce"
    " that could not be acted upon",
    AUTOMATIC: "came to such a return path and says that a machine wrote it, no mail server: a customer's"
    " out-of-office, a receipt",
    DMARC_FAIL: "[fails DMARC](#who-wrote-it)",
    SUSPECT: "refers to a conversation in which its author has had no part, so it does not join it",
    OVERDUE: "is of a conversation whose [promised answer](#what-comes-by-itself) is late; the label goes with the"
    " answer",
    UNDECIDED: "rules or parser failed in a way that nobody foresaw; it still arrived, at the inbox's default, and"
    " once, though it be sent again",
}

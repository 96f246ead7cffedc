"""routerd turns plain mailboxes into a shared inbox."""

__version__ = "0.1.0"

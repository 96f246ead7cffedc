"""How a copy is handed over: SMTP, LMTP, into a Maildir."""

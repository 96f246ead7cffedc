"""Mail comes in here: listeners, SMTP and LMTP sessions, limits."""

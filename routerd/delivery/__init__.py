"""Mail leaves here: routes, transports, retries, and what follows a refusal."""

"""`routerd check --live`: whether the world outside is as the config needs it."""

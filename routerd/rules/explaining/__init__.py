"""Why every rule did or did not match, in words."""

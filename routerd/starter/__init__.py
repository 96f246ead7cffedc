"""What `routerd init` writes and `routerd demo` runs."""

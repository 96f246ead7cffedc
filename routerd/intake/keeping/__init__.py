"""What is kept of a client while it comes, counted against the memory in flight."""

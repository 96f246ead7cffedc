"""Rules tried out: their tests, what those decide, spoilt rules that they let through, old mail."""

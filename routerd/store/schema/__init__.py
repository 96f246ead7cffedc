"""The numbered schema files: each brings the store from the version before its number to its number, and never back."""

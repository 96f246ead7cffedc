"""The report in its four formats."""

"""The rule language: files to syntax, syntax to a compiled ruleset, a ruleset and facts to a decision. Pure."""

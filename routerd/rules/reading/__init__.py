"""Rule files: nodes to rules and their tests, every problem with its place."""

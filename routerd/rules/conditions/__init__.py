"""What may stand under `when`: each asks one thing of a message."""

"""How much at once, how fast, how long, how often. Pure: moments and readings are handed in."""

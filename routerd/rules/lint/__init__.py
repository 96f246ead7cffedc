"""What `check` finds in rules that work and most likely are not what was meant. Pure; one idea a file."""

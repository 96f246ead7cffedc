"""What waits to go, destination by destination, and whose turn it is."""

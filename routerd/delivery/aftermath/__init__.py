"""What follows on an attempt, and on a report that comes back later."""

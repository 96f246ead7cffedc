"""What is known of who wrote a message."""

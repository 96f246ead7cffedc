"""What the running daemon needs of the machine: metrics, logs, systemd."""

"""HTTP for ops (metrics, health) and the local socket that commands use."""

"""Which hosts a copy may go to: those of its route, or those that DNS names for its domain."""

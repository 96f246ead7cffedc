"""The postmaster's file, `routerd.yaml`: read with places, checked as a whole, given as `Settings`."""

"""Here, so that the tests of each room below find `copies`."""

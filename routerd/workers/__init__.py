"""Several processes on the same ports (`workers`): workers take mail in and decide, the hub commits and delivers.

The hub is the daemon. A nursery, forked before the hub has a loop or a thread, forks workers whenever the hub asks for
one; hub and worker speak over a socket pair (`link`), in `words`.
"""

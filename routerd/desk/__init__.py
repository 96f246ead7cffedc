"""Who owns what: the roster, the picking, the plan for one message. Pure."""

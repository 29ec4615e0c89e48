"""A rule is bound to a generation, planned and executed."""

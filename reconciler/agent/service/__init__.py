"""`reconciler run`: the loops, and their doors for others."""

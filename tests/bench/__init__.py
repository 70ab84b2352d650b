"""`make bench`: the engine's numbers beside their baselines, from one run on one server, fsync on. Read the ratios."""

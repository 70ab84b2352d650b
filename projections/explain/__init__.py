"""Why something is where it is, in sentences made from its events."""

"""One file a stream, read in one order: its story, its events, its state, its decisions."""

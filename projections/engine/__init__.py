"""What carries events into the tables of any view, and a view's own description."""

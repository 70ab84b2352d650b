"""Tron nodes over HTTP: one, several that must agree, and how their answers are read."""

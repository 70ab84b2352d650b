"""Boards: what one process saw last, for whoever asks. No part of the history."""

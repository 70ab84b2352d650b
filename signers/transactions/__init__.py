"""The bytes: built here, held to a recorded intent, signed, and read a second time by other code."""

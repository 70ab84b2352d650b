"""Errors whose message is a sentence for the person at the terminal: what is wrong, and what to do."""


class UserError(Exception):
    """Not a defect: something the operator can mend."""

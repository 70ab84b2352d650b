"""Errors whose message is a sentence for the person at the terminal: what is wrong, and what to do."""


class UserError(Exception):
    """Not a defect: something the operator can mend by asking or setting otherwise."""


class NotReady(UserError):
    """Nothing is wrong with what was asked: what it needs is not there yet, and the message says what brings it."""


class CannotBegin(UserError):
    """Nothing is wrong with what was asked, and as this machine or what it reaches is now, nothing can be started on it."""

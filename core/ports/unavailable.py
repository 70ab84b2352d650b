"""Something outside does not answer for now. Every adapter translates its vendor's errors into this one."""

from core.ports.queues import DeadLetter, Message, Outstanding, Overdue, Queue, Received

__all__ = ["DeadLetter", "Message", "Outstanding", "Overdue", "Queue", "Received"]  # all ports are had from here


class Unavailable(Exception):
    """It does not answer for now: the work is not done and may be tried again later."""

"""Every topic that the program can read."""

from core.ledger import events


def readable() -> set[str]:
    """Topics of today, and of before where an upcaster lifts them."""
    known = (*events.CLASSES, *events._UPCASTERS)
    return {topic for topic in known if events.read_as(topic) is not None}

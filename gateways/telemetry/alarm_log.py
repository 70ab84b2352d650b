"""An alarm as a log line, and the words it may hold."""

import logging
import re

log = logging.getLogger(__name__)


def log_alarm(name: str, sentence: str) -> None:
    """An error line that names what happened, for the log's alarms to count."""
    log.error("ALARM %s: %s", name, one_line(sentence))


def log_end(name: str, about: str) -> None:
    """Not in capitals: the log's alarms count beginnings."""
    log.warning("alarm over: %s%s", name, f" ({one_line(about)})" if about else "")


def one_line(sentence: str) -> str:
    """What a stranger's words may hold is not taken along: no line break into the log, no NUL into the database."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in sentence)


def alarm_name(error: Exception) -> str:
    """The error's class as the name of an alarm: SignatureRefused -> signature_refused."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__).lower()

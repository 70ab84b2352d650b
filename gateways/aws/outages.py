"""Which errors of AWS say "not now": the one place where they become Unavailable, for every adapter.

error_codes.py says what each code means. What our own bytes cause is a defect; all else comes from outside and ends there.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from botocore.exceptions import ValidationError as InvalidSetting
from botocore.parsers import ResponseParserError

from core.ports.unavailable import Unavailable
from gateways.aws.error_codes import OURS, remedy

_OURS_BEFORE_ANY_CALL: Final = (ParamValidationError, InvalidSetting)


def code_of(error: ClientError) -> str:
    """The service's own word for what went wrong, without the name of the service."""
    return str(error.response.get("Error", {}).get("Code", "")).removeprefix("AWS.SimpleQueueService.")


def is_outage(error: Exception) -> bool:
    """Whether the same call may well succeed later. Of errors that are not AWS': no."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or code_of(error) not in OURS
    return isinstance(error, BotoCoreError | ResponseParserError) and not isinstance(error, _OURS_BEFORE_ANY_CALL)


@contextmanager
def reaching(what: str, *answers: str) -> Iterator[None]:
    """Raises Unavailable with `what` for every error that says "not now"; the others go up as they are.

    `answers` are codes that the caller reads: they go up, too.
    """
    try:
        yield
    except (ClientError, BotoCoreError, ResponseParserError) as error:
        if not is_outage(error) or (isinstance(error, ClientError) and code_of(error) in answers):
            raise
        raise Unavailable(_sentence(what, error)) from error


def refuse_failures(what: str, answer: dict[str, Any], forgiven: frozenset[str] = frozenset()) -> None:
    """Of a batch's answer: raises ValueError for entries that are refused for what they are, Unavailable for all others."""
    failed = [(entry["Code"].rpartition(".")[2], entry.get("Message", "")) for entry in answer.get("Failed", [])]
    failed = [(code, message) for code, message in failed if code not in forgiven]
    for code, message in failed:
        if code in OURS:
            raise ValueError(f"{what} refuses an entry: {code} {message}")
    if failed:
        code, message = failed[0]
        raise Unavailable(f"{what} failed {len(failed)} entries: {code}{remedy(code)}")


def _sentence(what: str, error: Exception) -> str:
    if isinstance(error, ClientError):
        return f"{what} refuses for now: {str(error).rstrip('.')}{remedy(code_of(error))}"
    return f"{what} cannot be reached: {error}"

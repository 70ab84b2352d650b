"""Which errors of AWS say "not now": the one place where they become Unavailable, for every adapter.

What our own bytes cause is a defect: a parameter that no service takes, a message that is too large. All else comes from
outside and ends there: a service that is busy, down or out of reach, credentials that are unknown or have run out, a right
that was taken, a key that is disabled, a clock that is off, a table that is being restored. What is not known is taken for
that, too: it is waited for, and rings where it lasts.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from botocore.exceptions import ValidationError as InvalidSetting
from botocore.parsers import ResponseParserError

from core.ports.unavailable import Unavailable

OURS: Final = frozenset(
    {
        # every service
        "InvalidAction",
        "InvalidParameterCombination",
        "InvalidParameterException",
        "InvalidParameterValue",
        "MalformedQueryString",
        "MissingAction",
        "MissingParameter",
        "SerializationException",
        "UnknownOperationException",
        "ValidationError",
        "ValidationException",
        # SQS
        "BatchEntryIdsNotDistinct",
        "BatchRequestTooLong",
        "EmptyBatchRequest",
        "InvalidAttributeName",
        "InvalidAttributeValue",
        "InvalidBatchEntryId",
        "InvalidIdFormat",
        "InvalidMessageContents",
        "ReceiptHandleIsInvalid",
        "TooManyEntriesInBatchRequest",
        "UnsupportedOperation",
        # DynamoDB
        "ConditionalCheckFailedException",
        "IdempotentParameterMismatchException",
        "ItemCollectionSizeLimitExceeded",
        "ItemCollectionSizeLimitExceededException",
        # KMS
        "AlreadyExistsException",
        "IncorrectKeyException",
        "InvalidAliasNameException",
        "InvalidArnException",
        "InvalidCiphertextException",
        "InvalidKeyUsageException",
        "UnsupportedOperationException",
        # S3
        "EntityTooLarge",
        "InvalidArgument",
        "InvalidBucketName",
        "InvalidDigest",
        "InvalidRequest",
        "KeyTooLongError",
        "MalformedXML",
        "MethodNotAllowed",
        "PreconditionFailed",
    }
)
"""Codes that a call of this program has brought about. SQS' begin with AWS.SimpleQueueService, which is left out here."""

_RIGHT: Final = "AWS does not allow it: look at the policy of this process' role, and of the key, queue or table"
_CREDENTIALS: Final = "AWS does not know the credentials: look at the role of this machine, or AWS_ACCESS_KEY_ID"
_CLOCK: Final = "the clocks differ: set this machine's"
_KEY: Final = "the key cannot be used: enable it in KMS, or cancel its deletion"
_GONE: Final = "it is not there: terraform makes it; AWS_REGION or AWS_PREFIX may differ"
REMEDIES: Final = {
    **dict.fromkeys(("AccessDenied", "AccessDeniedException", "KmsAccessDenied", "NotAuthorized"), _RIGHT),
    **dict.fromkeys(
        (
            "AuthFailure",
            "ExpiredToken",
            "ExpiredTokenException",
            "IncompleteSignature",
            "InvalidAccessKeyId",
            "InvalidClientTokenId",
            "InvalidToken",
            "MissingAuthenticationToken",
            "MissingAuthenticationTokenException",
            "OptInRequired",
            "TokenRefreshRequired",
            "UnrecognizedClientException",
        ),
        _CREDENTIALS,
    ),
    **dict.fromkeys(
        ("InvalidSignatureException", "RequestExpired", "RequestTimeTooSkewed", "SignatureDoesNotMatch"),
        f"{_CLOCK}, if the credentials are right",
    ),
    **dict.fromkeys(
        (
            "DecryptionFailure",
            "DisabledException",
            "EncryptionFailure",
            "KMSInvalidStateException",
            "KeyUnavailableException",
            "KmsDisabled",
            "KmsInvalidState",
            "KMS.DisabledException",
            "KMS.KMSInvalidStateException",
        ),
        _KEY,
    ),
    **dict.fromkeys(
        (
            "KmsNotFound",
            "NoSuchBucket",
            "NonExistentQueue",
            "NotFoundException",
            "QueueDeletedRecently",
            "QueueDoesNotExist",
            "ResourceNotFoundException",
        ),
        _GONE,
    ),
}
"""What a person does about a code that does not pass by itself. Whatever else is not OURS passes, or is not known."""

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
        raise Unavailable(f"{what} failed {len(failed)} entries: {code}{_remedy(code)}")


def _sentence(what: str, error: Exception) -> str:
    if isinstance(error, ClientError):
        return f"{what} refuses for now: {str(error).rstrip('.')}{_remedy(code_of(error))}"
    return f"{what} cannot be reached: {error}"


def _remedy(code: str) -> str:
    return f" ({REMEDIES[code]})" if code in REMEDIES else ""

"""What each error code of AWS means for a call of this program: the one table.

It has every code that botocore's models declare for an operation that we call, and those that all services share; a test
walks the models. What is not known is waited for, and rings where it lasts.
"""

from typing import Final, Literal

Meaning = Literal["passes", "waits", "operator", "answer", "ours"]
"""`passes`: the service is busy or down, and asked again. `waits`: until something that is under way is done. `operator`: a
person mends it; it rings where it lasts, is asked again, and heals. `answer`: data for the caller; where nobody reads it, it is
waited for. `ours`: our own bytes have brought it about, and the same call fails again: a defect."""

PASSES: Final = frozenset(
    {
        # every service
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "InternalServiceError",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "Throttling",
        "ThrottledException",
        "ThrottlingError",
        "ThrottlingException",
        "TooManyRequestsException",
        # SQS
        "KmsThrottled",
        "OverLimit",
        # DynamoDB, also as the reason of a cancelled transaction
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "ReplicatedWriteConflictException",
        "TransactionConflict",
        "TransactionConflictException",
        "TransactionInProgressException",
        # KMS
        "DependencyTimeoutException",
        "KMSInternalException",
        "KeyUnavailableException",
        # S3
        "ConditionalRequestConflict",
        "OperationAborted",
        "SlowDown",
    }
)
WAITS: Final = frozenset({"PurgeQueueInProgress", "QueueDeletedRecently", "ResourceInUseException"})
ANSWERS: Final = frozenset({"MessageNotInflight", "NoSuchKey", "TransactionCanceledException"})
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
        "DryRunOperationException",
        "IncorrectKeyException",
        "InvalidAliasNameException",
        "InvalidArnException",
        "InvalidCiphertextException",
        "InvalidGrantTokenException",
        "InvalidKeyUsageException",
        "InvalidMarkerException",
        "MalformedPolicyDocumentException",
        "TagException",
        "UnsupportedOperationException",
        # Secrets Manager
        "ResourceExistsException",
        # S3
        "EncryptionTypeMismatch",
        "EntityTooLarge",
        "InvalidArgument",
        "InvalidBucketName",
        "InvalidDigest",
        "InvalidRequest",
        "InvalidWriteOffset",
        "KeyTooLongError",
        "MalformedXML",
        "MethodNotAllowed",
        "PreconditionFailed",
        "TooManyParts",
    }
)
"""SQS' codes begin with AWS.SimpleQueueService, which is left out here."""

_RIGHT: Final = "AWS does not allow it: look at the policy of this process' role, and of the key, queue or table"
_CREDENTIALS: Final = "AWS does not know the credentials: look at the role of this machine, or AWS_ACCESS_KEY_ID"
_CLOCK: Final = "the clocks differ, if the credentials are right: set this machine's"
_KEY: Final = "the key cannot be used: enable it in KMS, or cancel its deletion"
_KEY_STORE: Final = "the key's store outside KMS does not answer: look at it; Terraform makes keys in KMS itself"
_GONE: Final = "it is not there: terraform makes it; AWS_REGION or AWS_PREFIX may differ"
_QUOTA: Final = "a quota of this account is used up: ask AWS for a higher one, or remove what nobody needs"
_STATE: Final = "it cannot be used in its state: restore what is to be deleted or was archived"
_HTTPS: Final = "AWS wants https: look at AWS_ENDPOINT_URL"

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
            "KmsOptInRequired",
            "MissingAuthenticationToken",
            "MissingAuthenticationTokenException",
            "OptInRequired",
            "TokenRefreshRequired",
            "UnrecognizedClientException",
        ),
        _CREDENTIALS,
    ),
    **dict.fromkeys(
        ("InvalidSignatureException", "RequestExpired", "RequestTimeTooSkewed", "SignatureDoesNotMatch"), _CLOCK
    ),
    **dict.fromkeys(
        (
            "DecryptionFailure",
            "DisabledException",
            "EncryptionFailure",
            "KMSInvalidStateException",
            "KmsDisabled",
            "KmsInvalidKeyUsage",
            "KmsInvalidState",
            "KMS.DisabledException",
            "KMS.KMSInvalidStateException",
        ),
        _KEY,
    ),
    **dict.fromkeys(
        (
            "CloudHsmClusterInvalidConfigurationException",
            "CustomKeyStoreInvalidStateException",
            "CustomKeyStoreNotFoundException",
            "XksKeyAlreadyInUseException",
            "XksKeyInvalidConfigurationException",
            "XksKeyNotFoundException",
        ),
        _KEY_STORE,
    ),
    **dict.fromkeys(
        (
            "InvalidAddress",
            "KmsNotFound",
            "NoSuchBucket",
            "NonExistentQueue",
            "NotFoundException",
            "QueueDoesNotExist",
            "ResourceNotFoundException",
        ),
        _GONE,
    ),
    **dict.fromkeys(("LimitExceededException",), _QUOTA),
    **dict.fromkeys(("InvalidObjectState", "InvalidRequestException"), _STATE),
    **dict.fromkeys(("InvalidSecurity",), _HTTPS),
}
"""What a person does about a code that is the operator's to mend."""


def meaning_of(code: str) -> Meaning | None:
    """None for a code that nobody knows."""
    if code in REMEDIES:
        return "operator"
    lists: dict[Meaning, frozenset[str]] = {"ours": OURS, "passes": PASSES, "waits": WAITS, "answer": ANSWERS}
    return next((meaning for meaning, codes in lists.items() if code in codes), None)


def remedy(code: str) -> str:
    """What to do, in brackets; or that nobody knows the code."""
    if code in REMEDIES:
        return f" ({REMEDIES[code]})"
    return "" if meaning_of(code) else " (a code that this program does not know: it is asked again)"

"""What AWS refuses and moto lets pass: characters, sizes, numbers, batches, tokens, and keys that may not be used."""

import io
import json
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

from moto.core.exceptions import JsonRESTError
from moto.kms.models import KmsBackend
from moto.sqs.exceptions import SQSException
from moto.sqs.models import Message, SQSBackend

MESSAGE_BYTES_MAX: Final = 1_048_576
DIGITS_MAX: Final = 38
PUTS_MAX: Final = 25
RAW_BYTES_MAX: Final = 4_096
_TEXT: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ID: Final = re.compile(r"""[A-Za-z0-9!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]{1,128}""")


class Refused(Exception):
    """In the service's own words."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


# SQS, within moto: of a batch each entry is judged by itself


def size_of(body: str, attributes: dict[str, Any]) -> int:
    """Body, and of each attribute its name, its type and its value."""
    told = [(name, *map(str, given.values())) for name, given in (attributes or {}).items()]
    return len(body.encode()) + sum(len(text.encode()) for texts in told for text in texts)


def judge(body: str, attributes: dict[str, Any], group_id: str | None, deduplication_id: str | None) -> None:
    """Raises SQSException."""
    if _TEXT.search(body):
        raise SQSException("InvalidMessageContents", "The message contains characters outside the allowed set.")
    if size_of(body, attributes) > MESSAGE_BYTES_MAX:
        told = f"One or more parameters are invalid. Reason: Message must be shorter than {MESSAGE_BYTES_MAX} bytes."
        raise SQSException("InvalidParameterValue", told)
    for name, value in (("MessageGroupId", group_id), ("MessageDeduplicationId", deduplication_id)):
        if value is not None and not _ID.fullmatch(value):
            told = f"Value {value} for parameter {name} is invalid. Reason: {name} can only include alphanumeric and"
            raise SQSException("InvalidParameterValue", f"{told} punctuation characters. 1 to 128 in length.")


def stricter_sqs() -> None:
    send, send_batch = SQSBackend.send_message, SQSBackend.send_message_batch

    def send_message(self: SQSBackend, queue_name: str, message_body: str, *given: Any, **more: Any) -> Message:
        judge(message_body, more.get("message_attributes") or {}, more.get("group_id"), more.get("deduplication_id"))
        return send(self, queue_name, message_body, *given, **more)

    def send_message_batch(self: SQSBackend, queue_name: str, entries: dict[str, dict[str, Any]]) -> Any:
        size = sum(size_of(entry["MessageBody"], entry["MessageAttributes"]) for entry in entries.values())
        if size > MESSAGE_BYTES_MAX:
            told = f"Batch requests cannot be longer than {MESSAGE_BYTES_MAX} bytes. You have sent {size} bytes."
            raise SQSException("BatchRequestTooLong", told)
        good, failed = {}, []
        for key, entry in entries.items():
            ids = entry.get("MessageGroupId"), entry.get("MessageDeduplicationId")
            try:
                judge(entry["MessageBody"], entry["MessageAttributes"], *ids)
                good[key] = entry
            except SQSException as error:
                failed.append({"Id": entry["Id"], "Code": error.code, "Message": error.message, "SenderFault": True})
        taken, refused = send_batch(self, queue_name, good) if good else ([], [])
        return taken, [*refused, *failed]

    SQSBackend.send_message = send_message  # type: ignore[method-assign]
    SQSBackend.send_message_batch = send_message_batch  # type: ignore[method-assign]


# KMS, within moto: a key has a state


def stricter_kms() -> None:
    codes = {"Disabled": "DisabledException", "PendingDeletion": "KMSInvalidStateException"}

    def of_a_usable_key(operation: Any) -> Any:
        def judged(self: KmsBackend, *given: Any, **more: Any) -> Any:
            name = more.get("key_id") or (given[0] if given else "")
            key = self.keys.get(self.any_id_to_key_id(name)) if name else None
            if key is not None and key.key_state in codes:
                raise JsonRESTError(codes[key.key_state], f"{key.arn} is {key.key_state}.")
            return operation(self, *given, **more)

        return judged

    for name in ("sign", "encrypt", "generate_data_key"):
        setattr(KmsBackend, name, of_a_usable_key(getattr(KmsBackend, name)))

    decrypt = KmsBackend.decrypt

    def decrypt_with_usable_key(self: KmsBackend, *given: Any, **more: Any) -> Any:
        answer = decrypt(self, *given, **more)
        arn = answer[1]
        key = self.keys.get(arn.rpartition("/")[2])
        if key is not None and key.key_state in codes:
            raise JsonRESTError(codes[key.key_state], f"{arn} is {key.key_state}.")
        return answer

    KmsBackend.decrypt = decrypt_with_usable_key  # type: ignore[method-assign]


# Before moto: what the request itself shows


def numbers_in(value: Any) -> Iterator[str]:
    """Of DynamoDB's typed values, the numbers."""
    if isinstance(value, dict):
        for name, each in value.items():
            if name == "N" and isinstance(each, str):
                yield each
            else:
                yield from numbers_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from numbers_in(each)


def judge_numbers(asked: dict[str, Any]) -> None:
    for number in numbers_in(asked):
        digits = re.sub(r"[eE].*$|[^0-9]", "", number).strip("0")
        if len(digits) > DIGITS_MAX:
            told = f"Attempting to store more than {DIGITS_MAX} significant digits in a Number"
            raise Refused("ValidationException", told)


def judge_puts(asked: dict[str, Any]) -> None:
    if sum(map(len, asked.get("RequestItems", {}).values())) > PUTS_MAX:
        raise Refused("ValidationException", "Too many items requested for the BatchWriteItem call")


def judge_raw(asked: dict[str, Any]) -> None:
    import base64

    if asked.get("MessageType", "RAW") == "RAW" and len(base64.b64decode(asked.get("Message", ""))) > RAW_BYTES_MAX:
        told = "1 validation error detected: Value at 'message' failed to satisfy constraint: Member must have length"
        raise Refused("ValidationException", f"{told} less than or equal to {RAW_BYTES_MAX}")


class Refusing:
    """The emulator behind what AWS looks at first. A transaction's token stands for its content."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._done: dict[str, tuple[str, list[Any]]] = {}
        """Content and answer, by the token of a transaction."""
        self._lock = threading.Lock()
        self._checks: dict[str, list[Callable[[dict[str, Any]], None]]] = {
            "DynamoDB_20120810.BatchWriteItem": [judge_puts],
            "TrentService.Sign": [judge_raw],
        }

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        if not target.startswith(("DynamoDB_20120810.", "TrentService.Sign")):
            return self._app(environ, start_response)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        asked = json.loads(body or b"{}")
        try:
            if target.startswith("DynamoDB"):
                judge_numbers(asked)
            for check in self._checks.get(target, ()):
                check(asked)
            if target.endswith(".TransactWriteItems") and asked.get("ClientRequestToken"):
                return self._once(asked, environ, start_response)
        except Refused as refused:
            told = json.dumps({"__type": refused.code, "message": str(refused)}).encode()
            kind = [("content-type", "application/x-amz-json-1.0"), ("content-length", str(len(told)))]
            start_response("400 refused", kind)
            return [told]
        return self._app(environ, start_response)

    def _once(self, asked: dict[str, Any], environ: dict[str, Any], start_response: Any) -> Any:
        """The same again is answered as before; other content under the same token is refused."""
        token, content = asked["ClientRequestToken"], json.dumps(asked.get("TransactItems"), sort_keys=True)
        with self._lock:
            known = self._done.get(token)
        if known is not None:
            if known[0] != content:
                told = "Request has the same client token as another, and other parameters"
                raise Refused("IdempotentParameterMismatchException", told)
            start_response(*known[1][0])
            return known[1][1]
        told: list[Any] = []

        def started(status: str, headers: Any, *more: Any) -> Any:
            told.append((status, headers))
            return start_response(status, headers, *more)

        answer = list(self._app(environ, started))
        if told and told[0][0].startswith("200"):
            with self._lock:
                self._done[token] = (content, [told[0], answer])
        return answer

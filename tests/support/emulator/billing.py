"""How often who calls what, as a bill has it: GET BILLED gives the counts since the last DELETE of it.

[process, service, operation, resource, whether it brought nothing, calls, units] each. Units are what AWS charges for: of SQS
a request for every 64 KiB that a call carries, of DynamoDB read and write units, elsewhere calls.
"""

import io
import json
import math
import re
import threading
from collections import Counter
from typing import Any, Final

BILLED: Final = "/what-is-billed"
SQS_CHUNK: Final = 65_536
WRITE_UNIT: Final = 1_024
READ_UNIT: Final = 4_096

Call = tuple[str, str, str, str, bool]
"""(process, service, operation, resource, whether it brought nothing)"""


class Billing:
    """The emulator behind a counter."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._calls: Counter[Call] = Counter()
        self._units: Counter[Call] = Counter()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        if environ["PATH_INFO"] == BILLED:
            return self._told(environ, start_response)
        asked = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(asked)
        answer = b"".join(self._app(environ, start_response))
        found = re.search(r"app/counterfoil-([\w-]+)", environ.get("HTTP_USER_AGENT", ""))
        scope = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].split("/")
        if found and len(scope) > 3:
            operation = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2] or environ["REQUEST_METHOD"]
            call = (found[1], scope[3], operation, _resource(asked), _is_empty(operation, answer))
            with self._lock:
                self._calls[call] += 1
                self._units[call] += units(scope[3], operation, asked, answer)
        return [answer]

    def _told(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        with self._lock:
            told = [[*call, calls, self._units[call]] for call, calls in sorted(self._calls.items())]
            if environ["REQUEST_METHOD"] == "DELETE":
                self._calls.clear()
                self._units.clear()
        start_response("200 OK", [("content-type", "application/json")])
        return [json.dumps(told).encode()]


def units(service: str, operation: str, asked: bytes, answer: bytes) -> int:
    """What AWS charges for a call."""
    if service == "sqs":
        carried = answer if operation == "ReceiveMessage" else asked
        return max(1, math.ceil(len(carried) / SQS_CHUNK))
    if service == "dynamodb":
        return _dynamodb_units(operation, json.loads(asked), answer)
    return 1


def _dynamodb_units(operation: str, asked: dict[str, Any], answer: bytes) -> int:
    """Write units, twofold in a transaction, and one for each index that an item stands in; else read units.

    An estimate on the safe side: from the size of the JSON, which is larger than the item.
    """
    match operation:
        case "TransactWriteItems":
            return sum(2 * (_writes(action) + _indexes(action)) for action in asked["TransactItems"])
        case "BatchWriteItem":
            return sum(_writes(each) for table in asked["RequestItems"].values() for each in table)
        case "PutItem" | "UpdateItem" | "DeleteItem":
            return _writes(asked) + _indexes(asked)
        case "BatchGetItem":
            return sum(len(each["Keys"]) for each in asked["RequestItems"].values())
        case _:
            return max(1, math.ceil(len(answer) / READ_UNIT))


def _writes(action: Any) -> int:
    return max(1, math.ceil(len(json.dumps(action)) / WRITE_UNIT))


def _indexes(action: Any) -> int:
    return int("next_retry_at" in json.dumps(action))


def _resource(asked: bytes) -> str:
    try:
        given = json.loads(asked)
    except ValueError:
        return ""
    if not isinstance(given, dict):
        return ""
    if "TransactItems" in given:
        return str(next(iter(given["TransactItems"][0].values()))["TableName"])
    if "RequestItems" in given:
        return str(next(iter(given["RequestItems"])))
    name = next((str(given[key]) for key in ("QueueUrl", "QueueName", "TableName", "SecretId") if key in given), "")
    return name.rpartition("/")[2] if "QueueUrl" in given else name


def _is_empty(operation: str, answer: bytes) -> bool:
    if operation == "ReceiveMessage":
        return b'"MessageId"' not in answer
    return operation == "Query" and (b'"Count": 0' in answer or b'"Count":0' in answer)

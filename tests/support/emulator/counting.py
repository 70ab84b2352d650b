"""What each service was asked to do, and by whom it is played: told before a command runs on AWS, and after."""

import io
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

import moto

from tests.support.aws import SERVICES, endpoint_variable

TITLES: Final = {
    "sqs": "SQS",
    "dynamodb": "DynamoDB",
    "kms": "KMS",
    "secretsmanager": "Secrets Manager",
    "s3": "S3",
}
_DONE: Final = {
    "Sign": "signatures",
    "GetPublicKey": "public keys",
    "Decrypt": "seeds opened",
    "GenerateDataKey": "data keys made",
    "CreateKey": "keys made",
    "GetSecretValue": "values read",
    "PutSecretValue": "values put",
    "GetItem": "items read",
    "PutItem": "items written",
    "UpdateItem": "items written",
    "DeleteItem": "items written",
    "PUT": "objects put",
    "GET": "objects read or listed",
    "SendMessage": "messages sent",
    "DeleteMessage": "deleted",
}
_HOP_BY_HOP: Final = frozenset({"connection", "transfer-encoding", "keep-alive", "content-length", "host"})


class Counting:
    """An application before which each call is counted by its service: how many, and what came of them."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.calls: Counter[str] = Counter()
        self.done: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        scope = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].split("/")
        if len(scope) <= 3:
            return self._app(environ, start_response)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        statuses: list[str] = []

        def started(status: str, headers: Any, *more: Any) -> Any:
            statuses.append(status)
            return start_response(status, headers, *more)

        answer = list(self._app({**environ, "wsgi.input": io.BytesIO(body)}, started))
        self.calls[scope[3]] += 1
        if statuses and statuses[0].startswith("2"):
            operation = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2] or environ["REQUEST_METHOD"]
            for what, count in done_by(operation, body, b"".join(answer)):
                self.done[scope[3]][what] += count
        return answer

    def clear(self) -> None:
        self.calls.clear()
        self.done.clear()

    def told(self) -> Iterator[str]:
        """A line a service."""
        for service, title in TITLES.items():
            done = [f"{count:,} {what}" for what, count in self.done[service].items() if count]
            yield f"  {title:<16}{self.calls[service]:>7,} calls: {', '.join(done) or 'nothing'}"


def done_by(operation: str, body: bytes, answer: bytes) -> Iterable[tuple[str, int]]:
    """(what, how many) of a call that succeeded."""
    match operation:
        case "SendMessageBatch":
            return [("messages sent", len(_json(answer).get("Successful", ())))]
        case "DeleteMessageBatch":
            return [("deleted", len(_json(answer).get("Successful", ())))]
        case "ReceiveMessage":
            return [("received", len(_json(answer).get("Messages", ())))]
        case "TransactWriteItems":
            return [("items written", len(_json(body).get("TransactItems", ())))]
        case "BatchWriteItem":
            return [("items written", sum(map(len, _json(body).get("RequestItems", {}).values())))]
        case "BatchGetItem":
            return [("items read", sum(map(len, _json(answer).get("Responses", {}).values())))]
        case "Query":
            return [("items read", len(_json(answer).get("Items", ())))]
    return [(_DONE[operation], 1)] if operation in _DONE else []


def _json(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


class Mix:
    """Each service where it is named, and all others here: AWS_ENDPOINT_URL_<SERVICE>, or AWS_ENDPOINT_URL for all."""

    def __init__(self, app: Any, environ: Mapping[str, str]) -> None:
        self._app = app
        self._opener = build_opener(ProxyHandler({}))
        everywhere = environ.get("AWS_ENDPOINT_URL", "")
        where = {service: environ.get(endpoint_variable(service), everywhere) for service in SERVICES}
        self.where = {service: url for service, url in where.items() if url}

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        scope = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].split("/")
        elsewhere = self.where.get(scope[3]) if len(scope) > 3 else None
        return (
            self._app(environ, start_response) if elsewhere is None else self._pass(elsewhere, environ, start_response)
        )

    def _pass(self, url: str, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        """The call as it came, and the answer as it comes."""
        headers = {
            name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")
        }
        headers = {name: value for name, value in headers.items() if name not in _HOP_BY_HOP}
        if environ.get("CONTENT_TYPE"):
            headers["content-type"] = environ["CONTENT_TYPE"]
        query = f"?{environ['QUERY_STRING']}" if environ.get("QUERY_STRING") else ""
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        target = f"{url.rstrip('/')}{environ.get('RAW_URI', environ['PATH_INFO']).partition('?')[0]}{query}"
        request = Request(target, data=body or None, headers=headers, method=environ["REQUEST_METHOD"])
        try:
            answer = self._opener.open(request)
        except OSError as error:
            answer = getattr(error, "fp", None) and error
            if answer is None:
                raise
        told: bytes = answer.read()
        kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP]
        start_response(f"{answer.status} passed on", [*kept, ("content-length", str(len(told)))])
        return [told]

    def told(self) -> Iterator[str]:
        """A line a service: who plays it, and where."""
        for service, title in TITLES.items():
            url = self.where.get(service)
            who = (
                f"whoever answers at {urlsplit(url).netloc}"
                if url
                else f"moto {moto.__version__}, made stricter by the tests"
            )
            yield f"  {title:<16}{who}"
        yield f"  {'RDS':<16}PostgreSQL from the wheel, without TLS"

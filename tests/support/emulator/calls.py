"""Every call that was made of the emulator, as IAM would judge it: by whom, of which service, which operation, on what.

Told at CALLS as [credentials, process, service, operation, subject] each, once. DELETE makes it forget.
"""

import io
import json
import re
from typing import Any, Final

CALLS: Final = "/calls"
_SUBJECT: Final = (
    "QueueUrl",
    "QueueName",
    "TableName",
    "IndexName",
    "KeyId",
    "AliasName",
    "TargetKeyId",
    "SecretId",
    "KeySpec",
    "KeyUsage",
    "Tags",
    "MessageType",
    "SigningAlgorithm",
    "EncryptionContext",
)
"""What of a request decides whether it is allowed: resources, and what policies have conditions on."""


class Recording:
    """An application before which every call is noted."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._calls: set[tuple[str, str, str, str, str]] = set()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        if environ["PATH_INFO"] == CALLS:
            if environ["REQUEST_METHOD"] == "DELETE":
                self._calls.clear()
            start_response("200 OK", [("content-type", "application/json")])
            return [json.dumps(sorted(self._calls)).encode()]
        credentials, *scope = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].split("/")
        if len(scope) > 2:
            process = re.search(r"app/counterfoil-([\w-]+)", environ.get("HTTP_USER_AGENT", ""))
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = io.BytesIO(body)
            operation = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
            subject = subject_of(body) if operation else {"path": environ["PATH_INFO"]}
            operation = operation or s3_operation(environ)
            name = process[1] if process else ""
            self._calls.add((credentials, name, scope[2], operation, json.dumps(subject, sort_keys=True)))
        return self._app(environ, start_response)


def subject_of(body: bytes) -> dict[str, Any]:
    """The part of a JSON request that IAM looks at; of a transaction or a batch, each action with its table."""
    asked = json.loads(body or b"{}")
    subject = {name: asked[name] for name in _SUBJECT if name in asked}
    key = asked.get("Key") or asked.get("Item")
    if isinstance(key, dict) and "name" in key:  # of the one table whose policies look at it
        subject["keys"] = list(key["name"].values())
    if "TransactItems" in asked:
        parts = {(kind, part["TableName"]) for each in asked["TransactItems"] for kind, part in each.items()}
        subject["parts"] = sorted(parts)
    if "RequestItems" in asked:
        subject["tables"] = sorted(asked["RequestItems"])
    return subject


def s3_operation(environ: dict[str, Any]) -> str:
    """S3 has no header that says so: the method, and whether it is about a bucket or an object."""
    method, is_object = environ["REQUEST_METHOD"], environ["PATH_INFO"].strip("/").count("/") > 0
    return f"{method} {'object' if is_object else 'bucket'}"

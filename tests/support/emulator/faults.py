"""Faults of AWS on command: PUT them at FAILS, and calls that they match are refused in the service's own words."""

import json
import re
from typing import Any, Final

FAILS: Final = "/what-fails"


class Failing:
    """The emulator behind a list of faults: {code, status, service?, operation?, process?} each. None ends all."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._faults: list[dict[str, Any]] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        if environ["PATH_INFO"] == FAILS:
            self._faults = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
            start_response("200 OK", [])
            return [b""]
        fault = self._fault_of(environ)
        if fault is None:
            return self._app(environ, start_response)
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))  # else it is taken for the next request
        code, status = fault["code"], fault["status"]
        if fault.get("service") == "s3":
            kind, body = "application/xml", f"<Error><Code>{code}</Code><Message>on command</Message></Error>"
        else:
            kind, body = "application/x-amz-json-1.1", json.dumps({"__type": code, "message": "on command"})
        start_response(f"{status} on command", [("content-type", kind), ("content-length", str(len(body)))])
        return [body.encode()]

    def _fault_of(self, environ: dict[str, Any]) -> dict[str, Any] | None:
        found = re.search(r"app/counterfoil-([\w-]+)", environ.get("HTTP_USER_AGENT", ""))
        scope = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].split("/")
        asked = {
            "service": scope[3] if len(scope) > 3 else "",
            "operation": environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2] or environ["REQUEST_METHOD"],
            "process": found[1] if found else "",
        }
        return next(
            (fault for fault in self._faults if all(fault.get(name, value) == value for name, value in asked.items())),
            None,
        )

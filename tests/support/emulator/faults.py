"""Faults of AWS on command: PUT them at FAILS, and calls that they match meet them, in the service's own words or in none."""

import contextlib
import io
import json
import re
import socket
import threading
import time
from typing import Any, Final

FAILS: Final = "/what-fails"
KINDS: Final = ("refused", "reset", "lost", "doubled", "late")
"""Refused with `code` and `status`; no answer; done and no answer; done twice; answered after `seconds`."""


class Failing:
    """The emulator behind a list of faults: {kind?, code?, status?, seconds?, service?, operation?, process?, times?} each.

    A fault of `times` ends after so many calls; an empty list ends all.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._faults: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        if environ["PATH_INFO"] == FAILS:
            self._faults = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
            start_response("200 OK", [])
            return [b""]
        fault = self._fault_of(environ)
        if fault is None:
            return self._app(environ, start_response)
        body = environ["wsgi.input"].read(
            int(environ.get("CONTENT_LENGTH") or 0)
        )  # else it is taken for the next request
        environ["wsgi.input"] = io.BytesIO(body)
        match fault.get("kind", "refused"):
            case "refused":
                return self._refused(fault, start_response)
            case "reset":
                return self._cut(environ, start_response)
            case "lost":
                list(self._app(environ, lambda *_: None))
                return self._cut(environ, start_response)
            case "doubled":
                list(self._app({**environ, "wsgi.input": io.BytesIO(body)}, lambda *_: None))
            case "late":
                time.sleep(fault["seconds"])
        return self._app(environ, start_response)

    def _refused(self, fault: dict[str, Any], start_response: Any) -> list[bytes]:
        code, status = fault["code"], fault["status"]
        if fault.get("service") == "s3":
            kind, body = "application/xml", f"<Error><Code>{code}</Code><Message>on command</Message></Error>"
        else:
            kind, body = "application/x-amz-json-1.1", json.dumps({"__type": code, "message": "on command"})
        start_response(f"{status} on command", [("content-type", kind), ("content-length", str(len(body)))])
        return [body.encode()]

    def _cut(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        """The connection ends before any byte of an answer."""
        with contextlib.suppress(OSError):
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        start_response("500 cut", [("content-length", "0")])
        return [b""]

    def _fault_of(self, environ: dict[str, Any]) -> dict[str, Any] | None:
        found = re.search(r"app/counterfoil-([\w-]+)", environ.get("HTTP_USER_AGENT", ""))
        scope = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].split("/")
        asked = {
            "service": scope[3] if len(scope) > 3 else "",
            "operation": environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2] or environ["REQUEST_METHOD"],
            "process": found[1] if found else "",
        }
        with self._lock:
            for fault in self._faults:
                if fault.get("times", 1) > 0 and all(fault.get(name, value) == value for name, value in asked.items()):
                    if "times" in fault:
                        fault["times"] -= 1
                    return fault
        return None

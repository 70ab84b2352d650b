"""AWS on loopback: moto's server in a process of its own, mended where it is known not to do what the service does.

    python -m tests.support.emulator [COMMAND ...]

Without a command it prints its URL and stays; with one it runs it in MODE=aws on this emulator, or on what
AWS_ENDPOINT_URL_<SERVICE> names, and an embedded Postgres of its own, and ends with it. tests/contracts/test_emulator.py
says, against moto as it comes, what is mended here and why; test_emulator_refuses.py, what it refuses as AWS does.
"""

import functools
import io
import json
import os
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from tests.support.emulator.billing import BILLED, Billing
from tests.support.emulator.calls import Recording
from tests.support.emulator.faults import FAILS, Failing


def mended_dynamodb() -> None:
    """One operation at a time: a conditional write is one step, and a transaction undoes nobody else's writes."""
    from moto.dynamodb.models import DynamoDBBackend

    turn = threading.RLock()

    def alone(operation: Any) -> Any:
        @functools.wraps(operation)
        def taking_turns(*given: Any, **more: Any) -> Any:
            with turn:
                return operation(*given, **more)

        return taking_turns

    for name in ("put_item", "update_item", "delete_item", "transact_write_items", "get_item", "query", "scan"):
        setattr(DynamoDBBackend, name, alone(getattr(DynamoDBBackend, name)))


def mended_kms() -> None:
    """With MessageType DIGEST a signature is over the 32 bytes as they are."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
    from moto.kms.exceptions import ValidationException
    from moto.kms.responses import KmsResponse
    from moto.kms.utils import ECDSAPrivateKey

    asked = threading.local()
    sign, key_sign = KmsResponse.sign, ECDSAPrivateKey.sign

    def sign_request(self: KmsResponse) -> str:
        asked.digest = self._get_param("MessageType") == "DIGEST"
        return sign(self)

    def sign_message(self: ECDSAPrivateKey, message: bytes, signing_algorithm: str) -> bytes:
        if not asked.digest:
            return key_sign(self, message, signing_algorithm)
        if len(message) != 32:
            raise ValidationException("Digest is invalid length for algorithm ECDSA_SHA_256.")
        return bytes(self.private_key.sign(message, ec.ECDSA(Prehashed(hashes.SHA256()))))

    KmsResponse.sign = sign_request  # type: ignore[method-assign]
    ECDSAPrivateKey.sign = sign_message  # type: ignore[method-assign]


ASKED: Final = "/what-was-asked"
AT_FIRST: Final = "AWS is played on this machine:"
AT_LAST: Final = "What each service did:"


class Listening:
    """Notes who asks for what, as AWS' own trail does, and tells it at ASKED: [process, service, operation, resource] each.

    DELETE makes it forget: the next installation on this emulator is then judged by its own calls alone.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._asked: set[tuple[str, str, str, str]] = set()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        if environ["PATH_INFO"] == ASKED:
            if environ["REQUEST_METHOD"] == "DELETE":
                self._asked.clear()
            start_response("200 OK", [("content-type", "application/json")])
            return [json.dumps(sorted(self._asked)).encode()]
        if environ["PATH_INFO"] in (FAILS, BILLED):
            return self._app(environ, start_response)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        found = re.search(r"app/counterfoil-([\w-]+)", environ.get("HTTP_USER_AGENT", ""))
        scope = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].split("/")
        if found and len(scope) > 3:
            operation = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2] or environ["REQUEST_METHOD"]
            for resource in resources_of(body) or [environ["PATH_INFO"]]:
                self._asked.add((found[1], scope[3], operation, resource))
        return self._app(environ, start_response)


def resources_of(body: bytes) -> list[str]:
    """What a request of a JSON protocol is about: queue, tables, key or alias, secret."""
    try:
        asked = json.loads(body)
    except ValueError:
        return []
    if not isinstance(asked, dict):
        return []
    parts = [part for each in asked.get("TransactItems", ()) for part in each.values()]
    tables = [*asked.get("RequestItems", ()), *(part["TableName"] for part in parts)]
    names = [
        asked[key] for key in ("QueueUrl", "QueueName", "TableName", "KeyId", "AliasName", "SecretId") if key in asked
    ]
    return [str(each).rpartition("/" if "QueueUrl" in asked else "\0")[2] for each in (*names, *tables)]


def serve(*, mended: bool = True, around: Callable[[Any], Any] = lambda app: app) -> Any:
    """moto's server in this process, on a free port of loopback -> the server, which runs until its `shutdown`.

    `around` is put around moto itself, behind the faults.
    """
    import logging

    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    if mended:
        from tests.support.emulator.fifo_queues import mended_sqs
        from tests.support.emulator.refusals import Refusing, stricter_kms, stricter_sqs

        mended_sqs()
        mended_dynamodb()
        mended_kms()
        stricter_sqs()
        stricter_kms()

    class Handler(MotoRequestHandler):
        protocol_version = "HTTP/1.1"  # connections stay open: most of a call is otherwise their making
        disable_nagle_algorithm = True

        def log_request(self, *_: Any) -> None:
            """Say nothing."""

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app: Any = DomainDispatcherApplication(create_backend_app)
    app = Recording(Listening(Billing(Failing(around(Refusing(app) if mended else app)))))
    return make_server("127.0.0.1", 0, app, threaded=True, request_handler=Handler)


def main(command: Sequence[str]) -> int:
    flags = {"--as-it-comes", "--mix"} & {*command}
    if command and not flags:
        return play(command)
    server = serve(mended="--as-it-comes" not in flags, around=mixed if "--mix" in flags else lambda app: app)
    url = f"http://127.0.0.1:{server.server_port}"
    print(url, flush=True)
    parent = os.getppid()

    def end_with_parent() -> None:
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(0)

    threading.Thread(target=end_with_parent, daemon=True).start()
    server.serve_forever()
    return 0


def mixed(app: Any) -> Any:
    """What the environment names is asked there, so that faults on command can be had of it, too."""
    from tests.support.emulator.counting import Mix

    return Mix(app, os.environ)


def play(command: Sequence[str]) -> int:
    """The command on AWS as it is played here; who plays what is said before, and what each service did behind it."""
    from tests.support.emulator.counting import Counting, Mix

    mixes: list[Mix] = []
    counts: list[Counting] = []

    def around(app: Any) -> Any:
        mixes.append(Mix(app, os.environ))
        counts.append(Counting(mixes[0]))
        return counts[0]

    server = serve(around=around)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(AT_FIRST, *mixes[0].told(), sep="\n", end="\n\n", flush=True)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]  # nobody's account is asked by accident
    code = run_on_aws(command, f"http://127.0.0.1:{server.server_port}", counts[0].clear)
    print("", AT_LAST, *counts[0].told(), sep="\n", flush=True)
    return code


def run_on_aws(command: Sequence[str], url: str, made: Callable[[], None]) -> int:
    """The command in MODE=aws, on the emulator at `url`, where all is as terraform and `counterfoil secrets make` leave it."""
    from gateways import settings
    from gateways.postgres.server import EmbeddedPostgres
    from tests.support.aws import CREDENTIALS, REGION, made_everything

    os.environ.update(CREDENTIALS)
    with tempfile.TemporaryDirectory(prefix="cf-") as folder:
        Path(folder).chmod(0o755)
        postgres = EmbeddedPostgres(Path(folder) / "pg")
        try:
            given = {"MODE": "aws", "AWS_ENDPOINT_URL": url, "AWS_REGION": REGION, "DATABASE_URL": postgres.url}
            given["QUEUE_POLL_S"] = "2"  # a process sees its poll to the end before it ends
            given["CHECKPOINT_BUCKET"] = "counterfoil-checkpoints"
            environment = {settings.PREFIX + name: value for name, value in given.items()}
            with made_everything(settings.load(environment), postgres.url):
                made()
                return subprocess.run(command, env={**os.environ, **environment}, check=False).returncode
        finally:
            postgres.stop()

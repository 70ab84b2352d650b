"""AWS on loopback: moto's server in a process of its own, mended where it is known not to do what the service does.

    python -m tests.support.emulator [COMMAND ...]

Without a command it prints its URL and stays; with one it runs it in MODE=aws on this emulator and an embedded Postgres of
its own, and ends with it. tests/contracts/test_emulator.py says, against moto as it comes, what is mended here and why.
"""

import functools
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

DEDUPLICATION_MS: Final = 300_000


def mended_sqs() -> None:
    """FIFO queues that keep SQS' promises: keys outlive their messages, groups keep their order, old receipts do nothing."""
    from moto.sqs import models
    from moto.sqs.exceptions import ReceiptHandleIsInvalid, SQSException
    from moto.sqs.models import Message, Queue, SQSBackend

    class Expired(SQSException):
        def __init__(self, receipt: str) -> None:
            super().__init__(
                "InvalidParameterValue",
                f"Value {receipt} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.",
            )

    class FifoQueue(Queue):
        """moto's queue with an order, a memory and a lock."""

        __module__ = Queue.__module__  # moto reads the service's name from it

        def __init__(self, *args: Any, **more: Any) -> None:
            self._known: dict[tuple[str | None, str | None], float] = {}
            self._changed = threading.Condition()
            super().__init__(*args, **more)

        # moto counts anew, message by message, for every attribute that it looks up
        approximate_number_of_messages_delayed = 0

        @property
        def approximate_number_of_messages_not_visible(self) -> int:
            now_ms = time.time() * 1000
            return sum(message.visible_at > now_ms for message in self._messages)

        @property
        def approximate_number_of_messages(self) -> int:
            return len(self._messages) - self.approximate_number_of_messages_not_visible

        def add_message(self, message: Message) -> None:
            with self._changed:
                scope = message.group_id if self.deduplication_scope == "messageGroup" else None
                key = (scope, message.deduplication_id)
                now_ms = time.time() * 1000
                if now_ms - self._known.get(key, 0) < DEDUPLICATION_MS:
                    return
                self._known[key] = now_ms
                self._messages.append(message)
                self._changed.notify_all()

        def take(self, count: int, wait_s: int, visibility_s: int) -> list[Message]:
            deadline = time.monotonic() + wait_s
            with self._changed:
                while True:
                    taken = self._next(count)
                    for message in taken:
                        message.mark_received(visibility_timeout=visibility_s)
                    left_s = deadline - time.monotonic()
                    if taken or left_s <= 0:
                        return taken
                    self._changed.wait(min(left_s, 0.1))

        def _next(self, count: int) -> list[Message]:
            now_ms = time.time() * 1000
            flying = {each.group_id for each in self._messages if each.receipt_handle and each.visible_at > now_ms}
            taken: list[Message] = []
            most = int(self.redrive_policy["maxReceiveCount"]) if self.redrive_policy else None
            for message in list(self._messages):
                if message.group_id in flying:
                    continue
                if most is not None and message.approximate_receive_count >= most:
                    self._messages.remove(message)
                    assert self.dead_letter_queue is not None
                    self.dead_letter_queue.add_message(message)
                    continue
                taken.append(message)
                if len(taken) == count:
                    break
            return taken

        def _held(self, receipt: str) -> Message:
            """The message that is in flight under this receipt."""
            for message in self._messages:
                if message.receipt_handle == receipt and message.visible_at > time.time() * 1000:
                    return message
            if any(message.had_receipt_handle(receipt) for message in self._messages):
                raise Expired(receipt)
            raise ReceiptHandleIsInvalid

        def delete_message(self, receipt_handle: str) -> None:
            with self._changed:
                if receipt_handle not in self.deleted_messages:
                    self._messages.remove(self._held(receipt_handle))
                    self.deleted_messages.add(receipt_handle)
                self._changed.notify_all()

        def show(self, receipt_handle: str, visibility_s: int) -> None:
            with self._changed:
                self._held(receipt_handle).change_visibility(visibility_s)
                self._changed.notify_all()

    def receive_message(
        self: SQSBackend, queue_name: str, count: int, wait: int, visibility: int, names: Sequence[str] | None = None
    ) -> list[Message]:
        queue = self.get_queue(queue_name)
        assert isinstance(queue, FifoQueue)
        return queue.take(count, wait, visibility)

    def each(entries: Sequence[dict[str, Any]], work: Any) -> tuple[list[str], list[dict[str, Any]]]:
        done: list[str] = []
        failed: list[dict[str, Any]] = []
        for entry in entries:
            try:
                work(entry)
                done.append(entry["Id"])
            except SQSException as error:
                told = {"Code": error.code, "Message": error.message, "SenderFault": True}
                failed.append({"Id": entry["Id"], **told})
        return done, failed

    def delete_batch(self: SQSBackend, queue_name: str, receipts: list[dict[str, Any]]) -> Any:
        return each(receipts, lambda entry: self.delete_message(queue_name, entry["ReceiptHandle"]))

    def change(self: SQSBackend, queue_name: str, receipt_handle: str, visibility_timeout: int) -> None:
        queue = self.get_queue(queue_name)
        assert isinstance(queue, FifoQueue)
        queue.show(receipt_handle, int(visibility_timeout))

    def change_batch(self: SQSBackend, queue_name: str, entries: list[dict[str, Any]]) -> Any:
        return each(entries, lambda it: change(self, queue_name, it["ReceiptHandle"], int(it["VisibilityTimeout"])))

    models.Queue = FifoQueue  # type: ignore[misc]
    SQSBackend.receive_message = receive_message  # type: ignore[method-assign, assignment]
    SQSBackend.delete_message_batch = delete_batch  # type: ignore[method-assign]
    SQSBackend.change_message_visibility = change  # type: ignore[method-assign]
    SQSBackend.change_message_visibility_batch = change_batch  # type: ignore[method-assign]


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


def serve(*, mended: bool = True) -> Any:
    """moto's server in this process, on a free port of loopback -> the server, which runs until its `shutdown`."""
    import logging

    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    if mended:
        mended_sqs()
        mended_dynamodb()
        mended_kms()

    class Handler(MotoRequestHandler):
        protocol_version = "HTTP/1.1"  # connections stay open: most of a call is otherwise their making
        disable_nagle_algorithm = True

        def log_request(self, *_: Any) -> None:
            """Say nothing."""

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app = Listening(DomainDispatcherApplication(create_backend_app))
    return make_server("127.0.0.1", 0, app, threaded=True, request_handler=Handler)


def main(command: Sequence[str]) -> int:
    mended = "--as-it-comes" not in command
    server = serve(mended=mended)
    url = f"http://127.0.0.1:{server.server_port}"
    if mended and command:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return run_on_aws(command, url)
    print(url, flush=True)
    parent = os.getppid()

    def end_with_parent() -> None:
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(0)

    threading.Thread(target=end_with_parent, daemon=True).start()
    server.serve_forever()
    return 0


def run_on_aws(command: Sequence[str], url: str) -> int:
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
            given["CHECKPOINT_BUCKET"] = "counterfoil-checkpoints"
            environment = {settings.PREFIX + name: value for name, value in given.items()}
            with made_everything(settings.load(environment), postgres.url):
                return subprocess.run(command, env={**os.environ, **environment}, check=False).returncode
        finally:
            postgres.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

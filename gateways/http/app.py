"""The application: parts put together over a platform, started and ended in order."""

import asyncio
import contextlib
import logging
import re
import socket
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Final

import msgspec
from starlette.applications import Starlette
from starlette.routing import Route, Router

from core.ledger.ledger import InvariantBroken
from core.ports.unavailable import Unavailable
from gateways.http.auth import Keyring
from gateways.http.docs.catalogue import NOUNS
from gateways.http.edge.edge import Edge, Nowhere
from gateways.http.edge.rates import RateLimiter, WrongKeys
from gateways.http.edge.server import LINGER_S, Server
from gateways.http.endpoint import ENDPOINTS, Api, Endpoint
from gateways.http.foreground import Foreground
from gateways.http.group_commit import GroupCommit
from gateways.http.metrics import Metrics
from gateways.http.peers import Peers, networks
from gateways.http.progress import Progress
from gateways.http.reading.event_watch import EventWatch
from gateways.http.reading.positions import Positions
from gateways.http.reading.queries import Queries, Watch
from gateways.http.reading.slow_reads import SlowReads
from gateways.postgres.alarms import Alarms
from gateways.postgres.boards.process_board import NAMES
from gateways.postgres.connections import Connections
from gateways.postgres.gauges import Installation, QueueGauges, SigningGauge, WebhookGauges, reader_of
from gateways.postgres.questions import QUESTIONS, processes
from gateways.postgres.roles import READER
from gateways.telemetry.disk import DiskGauge
from gateways.telemetry.looked_up import LookedUp, Source
from gateways.wiring.counted import counted_ledger
from gateways.wiring.platform import Platform

log = logging.getLogger(__name__)

THREADS: Final = 16
"""For the sync ports: key look-ups, idempotency records, the outbox."""


def create_app(platform: Platform) -> Starlette:
    """The ASGI application. Its lifespan starts the writer and the reader's pool, and ends them in reverse."""
    settings, numbers = platform.settings, platform.numbers
    api = shared(platform)
    reader = reader_of(platform.logins[READER])
    gauge = _gauges(platform, reader)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        threads = ThreadPoolExecutor(THREADS, thread_name_prefix="http-port")
        asyncio.get_running_loop().set_default_executor(threads)
        api.writer.start()
        await api.queries.open()
        numbers.registry.register(gauge)
        api.foreground.start()
        api.progress.start()
        try:
            yield
        finally:
            await api.progress.close()
            await api.foreground.close()
            await _end_writing(api)
            await api.keyring.close()
            await api.queries.close()
            api.slow_reads.close()
            numbers.registry.unregister(gauge)
            reader.close()

    limiter, wrong_keys = RateLimiter(settings.rate_limit), WrongKeys()
    app = Starlette(lifespan=lifespan)
    app.router = Router(
        [Route(path, Edge(api, limiter, wrong_keys, path, group)) for path, group in _by_path().items()],
        redirect_slashes=False,
        default=Nowhere(api),
        lifespan=lifespan,
    )
    app.state.api = api
    return app


def _gauges(platform: Platform, reader: Connections) -> LookedUp:
    """What /metrics looks up, all at once and in bounded time: a database that does not answer leaves what else there is."""
    settings, alarm = platform.settings, platform.alarm
    unsaid: Callable[[], list[str]] = (lambda: alarm.unsaid) if isinstance(alarm, Alarms) else list
    installation = Installation(reader, (*QUESTIONS, processes(NAMES)), unsaid)
    sources = [
        Source("database", installation, installation.silent),
        Source("history", SigningGauge(platform.store)),
        Source("webhooks", WebhookGauges(platform.outbox, platform.clock)),
        Source("disk", DiskGauge(settings.data)),
    ]
    if settings.mode == "embedded":  # on AWS each consumer reports its own queues, and has the right to ask
        sources.append(Source("queues", QueueGauges(platform.queues)))
    return LookedUp(sources)


def shared(platform: Platform) -> Api:
    """What all endpoints of this process share; its writer and its readers are begun by whoever asks for it."""
    settings = platform.settings
    queries = Queries(platform.logins[READER], settings.database_pool)
    operator_key = settings.operator_api_key.get_secret_value()
    api = Api(
        event_watch=EventWatch(queries, lambda: api.draining),
        platform=platform,
        keyring=Keyring(platform.api_keys, platform.secrets.api_key_peppers(), operator_key, platform.clock),
        writer=GroupCommit(counted_ledger(platform), alarm=platform.alarm),
        queries=queries,
        watch=Watch(queries),
        positions=Positions(platform.secrets.position_key),
        metrics=Metrics(platform.numbers),
        foreground=Foreground(platform),
        progress=Progress(queries, settings.pulse, platform.alarm, data=settings.data),
        token=settings.usdt,
        peers=Peers(networks(settings.trusted_proxies)),
        slow_reads=SlowReads.of(platform),
        document=_document,
    )
    return api


async def _end_writing(api: Api) -> None:
    """Write what waits; then refusals that were only counted become events, where that is possible now."""
    await api.writer.close()
    try:
        await asyncio.to_thread(api.platform.ledger.settle)
    except (Unavailable, InvariantBroken) as error:
        log.warning("how many commands were refused beyond those that are events is not kept: %s", error)


def server(platform: Platform, *, linger_s: float = LINGER_S) -> Server:
    """The server of an application over this platform, not yet running."""
    app = create_app(platform)
    api: Api = app.state.api
    settings = platform.settings

    def on_drain() -> None:
        api.draining = True

    return Server(
        app,
        settings.http_host,
        settings.http_port,
        connections_max=settings.http_connections_max,
        on_drain=on_drain,
        linger_s=linger_s,
    )


def serve(platform: Platform, listening: socket.socket | None = None) -> None:
    """Run until SIGTERM, on a socket that listens already or one of its own; returns when the last request is answered."""
    server(platform).run([listening] if listening is not None else None)


@cache
def _document() -> bytes:
    """Made when somebody asks for it: it takes a third of a second."""
    from gateways.http.docs.openapi import document

    return msgspec.json.encode(document())


def _by_path() -> dict[str, list[Endpoint]]:
    """Endpoints by path: fixed paths before those with a parameter, so that /test is no {id}; the busiest first."""
    assert NOUNS, "the endpoints are declared by importing their modules"
    paths: dict[str, list[Endpoint]] = {}
    for declared in ENDPOINTS:
        paths.setdefault(declared.path, []).append(declared)
    busiest = ("/v1/payouts", "/v1/balances")
    return dict(sorted(paths.items(), key=lambda item: (item[0] not in busiest, len(re.findall("{", item[0])))))

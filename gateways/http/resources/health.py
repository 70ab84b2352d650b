"""For machines that watch: alive, ready, metrics."""

import asyncio
from typing import Final, Literal

import msgspec

from core.ledger.events import newest_level
from core.ports.unavailable import Unavailable
from core.streams.accounts import OPERATOR
from gateways.http.answer import Answer, of_row
from gateways.http.endpoint import Api, Call, Reply, endpoint, reply
from gateways.http.fields import Query
from gateways.http.resources.store import known_store
from gateways.postgres.migrate import APPLIED, Applied, misfit
from gateways.postgres.questions import REFUSED_BLOCK, SCANNER


class Scanner(msgspec.Struct, frozen=True):
    """The last solid block that was scanned, and how many seconds ago the chain made it."""

    block_number: int
    lag_s: float


class Health(Answer, frozen=True):
    """`wrong` says what is wrong, a sentence each; `warnings` what is not well and holds nothing up, as one node of three."""

    status: Literal["ok", "not ready"]
    wrong: list[str]
    warnings: list[str]


BEHIND_EVENTS_MAX: Final = 10_000


SCANNER_LAG_S_MAX: Final = 600
"""Of a chain whose time may be another than ours. Elsewhere it is a node's (the setting TRON_LAG_MAX_S) and SOLID_S."""
SOLID_S: Final = 60
"""A block is solid a minute after it was made."""
NODES_NEEDED: Final = 2
"""So many must agree on what is final, where more than one is configured."""
_WAITING: Final = "SELECT process, waits_for FROM store_watch WHERE waits_for <> '' ORDER BY process"
_STANDING: Final = (
    "SELECT DISTINCT ON (process) process, waits_for FROM processes"
    " WHERE waits_for <> '' AND seen_at > now() - interval '3 minutes' ORDER BY process"
)
_LEVEL: Final = "SELECT max(level) AS level, max(since) AS since FROM format_levels"
_NODES: Final = "SELECT place, host, trouble, sentence FROM node_states ORDER BY place"


_DRAINING: Final = "the process is ending"


_PROMETHEUS: Final = b"text/plain; version=0.0.4; charset=utf-8"


@endpoint("GET", "/healthz", None, Health, public=True)
async def healthz(api: Api) -> Reply:  # noqa: ARG001
    """The process is alive and answers. No key is needed."""
    return reply(Health("ok", [], []))


@endpoint("GET", "/livez", None, Health, public=True, otherwise={503: Health})
async def livez(api: Api) -> Reply:
    """I can answer: what a load balancer asks, else 503. Whether the installation is whole is /readyz. No key is needed."""
    return reply(Health("not ready", [_DRAINING], []), 503) if api.draining else reply(Health("ok", [], []))


@endpoint("GET", "/readyz", None, Health, public=True, otherwise={503: Health})
async def readyz(api: Api) -> Reply:
    """Requests can be served now; else 503 and what is wrong. No key is needed."""
    wrong: list[str] = []
    warnings: list[str]
    if api.draining:
        wrong.append(_DRAINING)
    if api.writer.ended is not None:
        wrong.append(f"writing has ended: {api.writer.ended}")
    wrong += (await api.progress.down()).values()
    wrong += api.progress.standing().values()
    try:
        wrong += await _newer(api)
        wrong += await _database(api)
        wrong += await _store(api)
        nodes_wrong, warnings = await _nodes(api)
        wrong += nodes_wrong
        warnings += await _unread(api)
    except Unavailable:
        wrong.append("the database cannot be reached")
    return reply(Health("not ready", wrong, warnings), 503) if wrong else reply(Health("ok", [], warnings))


@endpoint("GET", "/metrics", OPERATOR, str, query=Query, media_type="text/plain")
async def metrics(call: Call) -> Reply:
    """Numbers of this process and of the whole installation in Prometheus' text format."""
    return Reply(200, await asyncio.to_thread(call.api.metrics.text), _PROMETHEUS)


async def _database(api: Api) -> list[str]:
    """Migrations that differ, views far behind the history, a scanner far behind the chain or before a block it refuses."""
    applied = {row.version: Applied(row.checksum, row.compatible_from) for row in await api.queries.fetch(APPLIED)}
    if (unworkable := misfit(applied)) is not None:
        return [unworkable]
    head = await api.queries.head()
    bookmarks = await api.queries.bookmarks()
    wrong = [
        f"the view {name} is {head - position} events behind"
        for name, position in sorted(bookmarks.items())
        if head - position > BEHIND_EVENTS_MAX
    ]
    scanner = await _scanner(api)
    lag_s_max = api.platform.settings.lag_s_max
    if scanner is not None and scanner.lag_s > (SCANNER_LAG_S_MAX if lag_s_max is None else lag_s_max + SOLID_S):
        wrong.append(f"the scanner is {scanner.lag_s:.0f} s behind the chain, at block {scanner.block_number}")
    wrong += [
        f"the scanner refused block {row.last_block_number} again and again and stands before it: the alarm block_refused"
        " says why"
        for row in await api.queries.fetch(REFUSED_BLOCK)
    ]
    return wrong


_ONE_NODE: Final = (
    "one node is all there is, and nobody contradicts it: give a second in COUNTERFOIL_TRON_NODE_URL, and take"
    " COUNTERFOIL_TRON_ONE_NODE away"
)


async def _newer(api: Api) -> list[str]:
    """Which processes stand before what a newer version wrote, and whether this one does (I22)."""
    wrong = [f"the process {row.process} stands: {row.waits_for}" for row in await api.queries.fetch(_STANDING)]
    [row] = await api.queries.fetch(_LEVEL)
    if row.level is not None and row.level > newest_level():
        wrong.append(
            f"installed by a newer version: position {row.since}, kind format level {row.level}; this program reads up to"
            f" {newest_level()}"
        )
    return wrong


async def _store(api: Api) -> list[str]:
    """That this store is an old copy: it answers, and what it says of payments may be old."""
    older = (await asyncio.to_thread(known_store, api.platform.store)).older
    return [] if older is None else [f"nothing is signed, and no address given out: {older.sentence}"]


async def _unread(api: Api) -> list[str]:
    """What the signers wait for before they sign, after a start."""
    return [
        f"the process {row.process} signs nothing yet: it waits for {row.waits_for}"
        for row in await api.queries.fetch(_WAITING)
    ]


async def _nodes(api: Api) -> tuple[list[str], list[str]]:
    """What is wrong with which node, as the scanner saw it last -> (what holds up what is final, what does not)."""
    rows = await api.queries.fetch(_NODES)
    names = {row.place: f"node {row.place} of {len(rows)} ({row.host})" for row in rows}
    unwell = [(row.trouble, f"{names[row.place]} {row.sentence}") for row in rows if row.trouble]
    lost = [sentence for trouble, sentence in unwell if trouble != "lite"]
    lite = [sentence for trouble, sentence in unwell if trouble == "lite"]
    if len(rows) == 1 and api.platform.settings.network == "mainnet":
        lite.append(_ONE_NODE)
    if lost and len(rows) - len(lost) < min(NODES_NEEDED, len(rows)):
        return lost, lite
    return [], lost + lite


async def _scanner(api: Api) -> Scanner | None:
    """None where no block was ever scanned: a new installation is behind nothing."""
    rows = await api.queries.fetch(SCANNER)
    return of_row(Scanner, rows[0]) if rows else None

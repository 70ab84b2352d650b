"""What an endpoint is: its path, who may call it, what it takes and gives. Declared beside its function, once.

The declaration drives routing, authentication, validation, idempotency and the OpenAPI document alike.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, LiteralString, NamedTuple, TypeVar

import msgspec
from pydantic import BaseModel

from core.ledger.events import Recorded
from core.ledger.ledger import Accepted, Command, Failed, Refused, Repeated
from core.ledger.refusals import NotFound, Refusal
from core.ports.clients import ApiKey, AuditEntry
from core.streams.accounts import OPERATOR
from core.tron.address import Address
from gateways.http.answer import Answer, Position
from gateways.http.auth import Keyring
from gateways.http.errors import RequestRefused
from gateways.http.fields import Page, Query, Read
from gateways.http.foreground import Foreground
from gateways.http.group_commit import GroupCommit
from gateways.http.metrics import Metrics
from gateways.http.peers import Peers
from gateways.http.progress import Progress
from gateways.http.reading.event_watch import EventWatch
from gateways.http.reading.positions import Positions
from gateways.http.reading.queries import Queries, View, Watch
from gateways.telemetry.request_span import here
from gateways.wiring.platform import Platform

if TYPE_CHECKING:
    from gateways.http.reading.slow_reads import SlowReads

JSON: Final = b"application/json"
BODY_BYTES_MAX: Final = 64 * 1024
Method = Literal["GET", "POST", "PATCH", "DELETE"]
Creates = Literal["nothing", "stored", "stream"]
"""Whether an Idempotency-Key is needed, and what keeps the first answer: the store for 24 hours, or the stream for ever."""


class Reply(NamedTuple):
    """A finished answer. `stored` is the body that a repetition gets, when secrets must be left out of it."""

    status: int
    body: bytes
    media_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()
    stored: bytes | None = None
    is_document: bool = False
    """It is the same for everybody until the program changes: it has an ETag, and is compressed for who takes that."""
    rested_s: float = 0.0
    """So long it waited for something to tell, as it was asked to: no time that we took."""


@dataclass
class Api:
    """Everything the endpoints share within one process."""

    platform: Platform
    keyring: Keyring
    writer: GroupCommit
    queries: Queries
    watch: Watch
    positions: Positions
    metrics: Metrics
    foreground: Foreground
    progress: Progress
    token: Address
    """The USDT contract."""
    event_watch: EventWatch
    slow_reads: "SlowReads"
    document: Callable[[], bytes]
    """The OpenAPI document."""
    peers: Peers
    draining: bool = False
    """The process was told to stop: it serves for a moment and says that it is not ready."""


@dataclass(frozen=True)
class Endpoint:
    """One method of one path."""

    method: Method
    path: str
    permission: str | None
    handle: Callable[..., Awaitable[Reply]]
    status: int
    answer: Any
    body: type[BaseModel] | None
    query: type[Query]
    creates: Creates
    refusals: tuple[type[Refusal], ...]
    public: bool
    media_type: str
    otherwise: Mapping[int, Any]
    """Other statuses that are no problem+json, with their answers."""
    operator_too: bool
    """The operator may do it as well, for any account."""
    weight: Callable[[Any], int]
    """As how many requests it counts, by its body."""
    body_bytes_max: int

    @property
    def name(self) -> str:
        return self.handle.__name__

    @property
    def sentence(self) -> str:
        return " ".join((self.handle.__doc__ or "").split())


ENDPOINTS: Final[list[Endpoint]] = []
H = TypeVar("H", bound=Callable[..., Awaitable[Reply]])


def endpoint(
    method: Method,
    path: str,
    permission: str | None,
    answer: Any,
    *,
    status: int = 200,
    body: type[BaseModel] | None = None,
    query: type[Query] | None = None,
    creates: Creates = "nothing",
    refusals: tuple[type[Refusal], ...] = (),
    public: bool = False,
    media_type: str = "application/json",
    otherwise: Mapping[int, Any] = MappingProxyType({}),
    operator_too: bool = False,
    weight: Callable[[Any], int] = lambda _: 1,
    body_bytes_max: int = BODY_BYTES_MAX,
) -> Callable[[H], H]:
    """Declare the function below as the endpoint. It takes the Call and, if there is one, the body or the query."""

    def register(handle: H) -> H:
        taken = query or (Read if method == "GET" and not public else Query)
        ENDPOINTS.append(
            Endpoint(
                method=method,
                path=path,
                permission=permission,
                handle=handle,
                status=status,
                answer=answer,
                body=body,
                query=taken,
                creates=creates,
                refusals=refusals,
                public=public,
                media_type=media_type,
                otherwise=otherwise,
                operator_too=operator_too,
                weight=weight,
                body_bytes_max=body_bytes_max,
            )
        )
        return handle

    return register


class Call:
    """One authenticated request on its way through its endpoint."""

    def __init__(
        self,
        api: Api,
        caller: ApiKey,
        path: dict[str, str],
        request_id: str,
        ip_address: str | None,
        route: str,
    ) -> None:
        self.api = api
        self.caller = caller
        self.path = path
        self.request_id = request_id
        self.ip_address = ip_address
        self.route = route
        """The endpoint's path with its parameters' names: whose list a cursor is of."""
        self.idempotency_key = ""
        self.min_position: int | None = None
        self.position: int | None = None
        """What the answer reflects: the header Counterfoil-Position."""
        self.written: Sequence[Recorded] = ()
        """What this request has written, for who prefers a receipt."""

    @property
    def account_id(self) -> str:
        return self.caller.account_id

    @property
    def is_operator(self) -> bool:
        return self.caller.account_id == OPERATOR

    @property
    def actor(self) -> str:
        return f"{'operator' if self.is_operator else 'api-key'}:{self.caller.id}"

    # Writing

    async def submit(self, command: Command) -> Accepted | Repeated:
        """The outcome once it is durable. Raises RequestRefused for what was refused."""
        began_ns, under_way = time.time_ns(), here()
        outcome = await self.api.writer.submit(command)
        if under_way is not None:
            await under_way.committed(outcome, began_ns)
        if isinstance(outcome, Refused):
            raise RequestRefused(outcome.refusal)
        if isinstance(outcome, Failed):
            raise outcome.error
        if isinstance(outcome, Accepted):
            self.written = outcome.events
        return outcome

    def shown(self, position: int) -> Position:
        """A position as this caller may see it."""
        return self.api.positions.shown(self.caller, position)

    async def audit(self, action: str, account_id: str, **data: Any) -> None:
        """Note the act before it is answered. `data` holds no secret (I13)."""
        entry = AuditEntry(
            account_id=account_id,
            at=self.api.platform.clock(),
            action=action,
            actor_id=self.caller.id,
            actor_type="operator" if self.is_operator else "api-key",
            data=data,
            ip_address=self.ip_address,
            request_id=self.request_id,
        )
        await asyncio.to_thread(self.api.platform.audit.add, [entry])

    # Reading

    async def read(self, view: View, sql: LiteralString, **params: Any) -> list[Any]:
        """Rows of a view that reflects at least `min_position`; each has its columns as attributes."""
        found = await self.api.queries.read(view, sql, params)
        if self.min_position is not None and found.position < self.min_position:
            await self.api.watch.reach(view, self.min_position)
            found = await self.api.queries.read(view, sql, params)
        self.position = found.position
        return list(found.rows)

    async def reached(self, view: View) -> None:
        """For answers that come from a store beside the views: wait for, and state, the view's position."""
        await self.read(view, "SELECT 1")

    async def one(self, view: View, noun: str, sql: LiteralString, **params: Any) -> Any:
        """The only row. Raises RequestRefused (404), the same for what is absent and what is another's (I12)."""
        rows = await self.read(view, sql, **params)
        if not rows:
            raise RequestRefused(NotFound(noun=noun))
        return rows[0]


def reply(answer: msgspec.Struct, status: int = 200, *, stored: msgspec.Struct | None = None) -> Reply:
    return Reply(status, _ENCODER.encode(answer), stored=None if stored is None else _ENCODER.encode(stored))


def page_reply(call: Call, page: Page, found: Sequence[tuple[int, Answer]]) -> Reply:
    """A page of (position, answer), of which one more than the limit was asked: the last one's position is the cursor."""
    more = len(found) > page.limit
    positions = [position for position, _ in found[: page.limit]]
    body = {
        "data": [answer for _, answer in found[: page.limit]],
        "has_more": more,
        "next_cursor": cursor(call, positions[-1]) if more else None,
    }
    return Reply(200, _ENCODER.encode(body))


def before(call: Call, page: Page, cut: int | None = None) -> int:
    """The position that the page lies behind: lists run from the newest, or from a position before, to the oldest."""
    newest = NEWEST if cut is None else cut + 1
    if page.after is None:
        return newest
    return min(newest, call.api.positions.read_cursor(call.caller, call.route, page.after))


def cursor(call: Call, position: int) -> str:
    """The place in this list that the next page lies behind."""
    return call.api.positions.cursor(call.caller, call.route, position)


NEWEST: Final = 2**62
_ENCODER: Final = msgspec.json.Encoder()

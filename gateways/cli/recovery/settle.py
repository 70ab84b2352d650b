"""`counterfoil restore settle`: what left in history that a restore lost, what is still waited for, and whose it was."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import psycopg
from cyclopts import App, Parameter

from core.ledger.ledger import Command, EventStore, Failed, Refused
from core.ledger.money import format_amount
from core.streams.lost_ends import AttributeLost, WriteOffLost
from core.streams.lost_outgoing import LeftInLostHistory, Lost, OutgoingOfLostHistory, lost_stream
from core.streams.restores import Restored, StoreRestored
from core.streams.signing import SIGNING, Settlement, Signing
from core.streams.store import STORE
from gateways.cli.acts import at_terminal, must_have_reason, note_command
from gateways.cli.console import Data, Json, Output, Table, number, text
from gateways.cli.installation import opened_database, settings_with
from gateways.postgres.roles import API
from gateways.settings import Settings
from gateways.user_error import UserError
from gateways.wiring.opened import open_platform
from gateways.wiring.platform import Platform
from projections.named import rows
from signers.outgoing.outgoing import NODE_LAG_MS_MAX

PAGE: Final = 5_000
_LEFT: Final = (
    "SELECT txid, wallet, to_address, amount_minor, currency, block_number, status, payout_id, reason FROM lost_outgoing"
    ' ORDER BY "position"'
)
_REPORTED: Final = "SELECT count(*) FROM outstanding_reports WHERE message_key LIKE 'outgoing:%'"


class Open:
    """How far a restore is settled: its event, what left, and what has to come true before signing may go on."""

    def __init__(self, restored: StoreRestored, lost: dict[str, Lost], waits_for: str) -> None:
        self.restored = restored
        self.lost = lost
        """By stream."""
        self.waits_for = waits_for

    @property
    def settlement(self) -> Settlement:
        return Settlement(lost=tuple(self.lost), waits_for=self.waits_for)


def look(platform: Platform) -> Open | None:
    """None where nothing is to be settled: the history was never restored, or signing was resumed since."""
    store = platform.store
    signing, known = Signing(), Restored()
    histories = store.histories([SIGNING, STORE])
    for recorded in histories.get(SIGNING, ()):
        signing = signing.evolve(recorded.event)
    for recorded in histories.get(STORE, ()):
        known = known.evolve(recorded.event)
    if "restored" not in signing.causes or known.restored is None:
        return None
    lost = _lost(store, known.restored.from_position)
    return Open(known.restored, lost, _waits_for(platform, known.restored, lost))


def settlement(platform: Platform) -> Settlement:
    """What `signing resume` is decided with."""
    found = look(platform)
    return Settlement() if found is None else found.settlement


def _lost(store: EventStore, after: int) -> dict[str, Lost]:
    """Everything that was found since the restore; the streams are whole, whatever an earlier restore found of them."""
    streams: dict[str, None] = {}
    while page := store.read(after, PAGE):
        streams |= {it.stream: None for it in page if isinstance(it.event, OutgoingOfLostHistory)}
        after = page[-1].position
    found = {}
    for stream, history in store.histories(list(streams)).items():
        state = Lost()
        for recorded in history:
            state = state.evolve(recorded.event)
        found[stream] = state
    return found


def _waits_for(platform: Platform, restored: StoreRestored, lost: dict[str, Lost]) -> str:
    """What of the chain is yet to be read: until nothing that was signed before the restore can be mined any more."""
    newest = platform.solid_log.newest()
    left = [it for state in lost.values() for it in state.found.values()]
    lifetime_ms = platform.settings.payout_expiration_s * 1000
    until_ms = quiet_ms(restored, left, lifetime_ms)
    if newest is None or newest.timestamp_ms < until_ms:
        seen = "no block" if newest is None else f"the block of {_time(newest.timestamp_ms)}"
        why = f"blocks are read up to {_time(until_ms)}, {seen} is the last: what was signed before may be mined until then"
        if until_ms > quiet_ms(restored, (), lifetime_ms) + lifetime_ms + NODE_LAG_MS_MAX:
            why += ". Coins left after that: the other installation still runs, stop it"
        return why
    with psycopg.connect(platform.reader_url) as conn:
        [(reports,)] = conn.execute(_REPORTED).fetchall()
    return f"{reports} reports of outgoing transactions are recorded" if reports else ""


def quiet_ms(restored: StoreRestored, left: Iterable[LeftInLostHistory], lifetime_ms: int) -> int:
    """The chain time from which on nothing that another store signed can be mined, if the last that left was its last."""
    began_ms = restored.head_ms or int(restored.occurred_at.timestamp() * 1000)
    last_ms = max((it.block_timestamp_ms for it in left), default=0)
    return max(began_ms, last_ms) + lifetime_ms + NODE_LAG_MS_MAX


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


# Commands


def show(settings: Settings, out: Output) -> bool:
    """What left, what became of it, what is waited for; exit 1 while anything is open."""
    with opened_database(settings) as database, open_platform(settings, API, database) as platform:
        found, left = look(platform), _left(platform)
    waits_for = "" if found is None else found.waits_for
    open_ones = sum(it.status == "open" for it in left)
    settled = not open_ones and not waits_for
    if settled:
        said = "nothing is open" if found is None else 'all is settled: `counterfoil signing resume --reason "..."`'
    else:
        said = f"{open_ones} are open" + (f"; wait until {waits_for}" if waits_for else "")
    facts = {"settled": settled, "open": open_ones, "waits_for": waits_for, "data": [it._asdict() for it in left]}
    if not left:
        out.show(facts, said)
        return settled
    columns = (number("block"), text("txid"), "wallet", text("to"), number("amount"), "currency", text("what it was"))
    shown = [
        (
            it.block_number,
            it.txid,
            it.wallet,
            it.to_address or "",
            format_amount(it.amount_minor, it.currency) if it.amount_minor else "",
            it.currency or "",
            f"payout {it.payout_id}" if it.payout_id else it.reason or it.status,
        )
        for it in left
    ]
    out.show(facts, Table(columns, shown), said)
    return settled


def attribute(settings: Settings, txid: str, payout_id: str, out: Output) -> None:
    """Say which payout a transfer was."""
    _do(settings, txid, lambda stream: AttributeLost(stream, txid, payout_id, at_terminal()), payout_id=payout_id)
    out.show({"txid": txid, "payout_id": payout_id}, f"{txid} was payout {payout_id}, which ends as confirmed")


def write_off(settings: Settings, txid: str, reason: str, out: Output) -> None:
    """Say that nobody will ask for a transfer again."""
    reason = must_have_reason(reason, "nobody will ask for it again")
    _do(settings, txid, lambda stream: WriteOffLost(stream, txid, reason, at_terminal()), reason=reason)
    out.show({"txid": txid, "reason": reason}, f"{txid} is written off: Operator_Capital bears it")


def _do(settings: Settings, txid: str, command: Callable[[str], Command], **data: Any) -> None:
    with opened_database(settings) as database, open_platform(settings, API, database) as platform:
        found = next((it for it in _left(platform) if it.txid == txid), None)
        if found is None:
            raise UserError(
                f"nothing left as {txid} that nobody asked for: `counterfoil restore settle` lists what did"
            )
        [outcome] = platform.ledger.execute([command(lost_stream(found.to_address or "", found.amount_minor))])
        if isinstance(outcome, Refused):
            raise UserError(outcome.refusal.detail)
        if isinstance(outcome, Failed):
            raise outcome.error
        note_command(settings, "lost-outgoing.settled", database, txid=txid, **data)


def _left(platform: Platform) -> list[Any]:
    """All that ever left and nobody asked for, as the view has it."""
    with psycopg.connect(platform.reader_url) as conn:
        return rows(conn, _LEFT).fetchall()


app = App(name="settle", help="What left in history that was lost, and whose it was.")
Txid = Annotated[str, Parameter(help="The transfer's transaction id")]


@app.default
def _settle(*, json: Json = False, data: Data = None) -> bool:
    """List what left in history that was lost, and what is still waited for. Exit 1 while anything is open."""
    return show(settings_with(data=data), Output(as_json=json))


@app.command(name="attribute")
def _attribute(
    txid: Txid,
    payout: Annotated[str, Parameter(help="The payout's id")],
    /,
    *,
    json: Json = False,
    data: Data = None,
) -> None:
    """Say that a transfer was this payout: it ends as confirmed, and nothing leaves for it."""
    attribute(settings_with(data=data), txid, payout, Output(as_json=json))


@app.command(name="write-off")
def _write_off(
    txid: Txid,
    /,
    *,
    reason: Annotated[str, Parameter(help="Why nobody will ask for it again; kept for ever")],
    json: Json = False,
    data: Data = None,
) -> None:
    """Say that nobody will ask for it again: Operator_Capital bears it, and an equal payout that waits is made."""
    write_off(settings_with(data=data), txid, reason, Output(as_json=json))

"""Coins from cold storage to the hot wallet: `counterfoil cold prepare`, `submit`, `list`, where the history and the chain are.

Signed they are where no network is (gateways/cli/cold_storage/machine.py). What `prepare` records is known by
its txid from then on: the process `sweeps` sees it through, whether it is mined, dies at its expiration, or was never signed.
"""

import io
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final
from uuid import UUID, uuid4

import psycopg
from cyclopts import App, Parameter
from cyclopts.validators import Number

from core.ledger.ledger import Command, EventStore, Failed, Refused
from core.ledger.money import InvalidAmount, format_amount, parse_amount
from core.streams.attempts import Attempt, BroadcastAttempt, PrepareAttempt, SignAttempt
from core.streams.instructions import GiveInstruction, Instruction, InstructionGiven, InstructionState, SendToken
from core.tron.address import SUN_PER_TRX, Address
from core.tron.permissions import OWNER, Grant, name_of, own_key
from gateways.cli.acts import acting, at_terminal, note_command, system_wallet
from gateways.cli.cold_storage.machine import COLD, bundle_table, facts_of, read_bundle
from gateways.cli.console import Data, Json, Output, Table, number, rfc3339, text, usdt
from gateways.cli.installation import settings_with
from gateways.postgres.roles import READER, SIGNER
from gateways.settings import PREFIX, Settings
from gateways.user_error import UserError
from gateways.wiring.opened import check_chain
from gateways.wiring.permissions import open_permissions
from gateways.wiring.platform import Platform
from signers.outgoing.funds import Prices, usdt_of
from signers.outgoing.needs import need_of
from signers.outgoing.settlement import reference_block
from signers.outgoing.trials import TokenRefuses
from signers.transactions.build import FeeAboveCeiling, envelope_for
from signers.transactions.bundles import Bundle, Policy, bundle_of, transaction_of
from signers.transactions.intents import attempt_of, intent_of_instruction

MARGIN_PERCENT: Final = 50
"""On the most energy that the transfer can take: the price may change within the day that signing may take."""
_HOUR_MS: Final = 3_600_000
_STREAMS: Final = (
    "SELECT DISTINCT stream FROM history"
    " WHERE topic = 'instruction.given/1' AND event -> 'instruction' ->> 'wallet' = 'cold'"
)


def prepare(settings: Settings, amount: str, file: Path, hours: int, out: Output, permission_id: int = 0) -> None:
    """Record the transfer with its bytes, and write the bundle that cold storage's owners sign. Raises UserError."""
    amount_minor = _amount(amount)
    if file.exists():
        raise UserError(f"{file} is there already: choose another name")
    with acting(settings, SIGNER) as platform:
        check_chain(platform)
        cold, hot = system_wallet(platform, COLD), system_wallet(platform, "hot")
        if under_way := next(_open(platform.store, _ids(platform)), None):
            known, state = under_way
            raise UserError(
                f"{known.instruction_id} is {state.state} and not over yet: `counterfoil cold list` says until when"
            )
        grant = _grant(platform, cold, permission_id)
        instruction = Instruction(str(uuid4()), "refill", "", cold.base58, COLD, SendToken(hot.base58, amount_minor))
        attempt, policy = _bytes(platform, instruction, hours * _HOUR_MS, grant)
        actor = at_terminal()
        commands: list[Command] = [
            GiveInstruction(instruction, actor),
            PrepareAttempt(order=instruction, actor=actor, attempt=attempt),
        ]
        _must_append(platform, commands)
        bundle = bundle_of(settings.network, platform.node.genesis_id(), instruction, attempt, policy, grant)
        file.write_bytes(bundle.encode())
        note_command(
            settings,
            "cold.prepared",
            instruction_id=instruction.instruction_id,
            txid=attempt.txid,
            amount_minor=amount_minor,
        )
    next_step = f"sign it with `counterfoil cold sign {file.name}` on the machine that has " + (
        f"the key of {' or '.join(bundle.waits_for)}" if grant else "the key"
    )
    facts = {"file": file, **facts_of(bundle)}
    out.show(facts, bundle_table(bundle), *_qr(bundle), f"{file} is written: {next_step}")


def _grant(platform: Platform, cold: Address, permission_id: int) -> Grant | None:
    """Whose signatures it takes; None where the wallet's own key signs alone. Raises UserError where the chain differs."""
    permissions = open_permissions(platform)
    if difference := permissions.difference(cold):
        raise UserError(f"nothing leaves cold storage {cold} while its permissions are not as declared: {difference}")
    declared = permissions.declared(cold.base58)
    grant = declared.grant(permission_id) if declared else None
    if grant is None and permission_id:
        raise UserError(f"cold storage has no active permission {permission_id} that is declared")
    if grant is not None and not grant.allows("TriggerSmartContract"):
        raise UserError(f"{name_of(permission_id)} does not sign transfers of a token: {grant}")
    own = grant is not None and permission_id == OWNER and set(grant.weights) == {cold.base58}
    return None if own else grant


def _bytes(
    platform: Platform, instruction: Instruction, lifetime_ms: int, grant: Grant | None
) -> tuple[Attempt, Policy]:
    """Raises UserError where cold storage has not enough, or the token would refuse."""
    node, token, act = platform.node, platform.settings.usdt, instruction.act
    assert isinstance(act, SendToken)
    owner, to = Address.from_base58(instruction.owner), Address.from_base58(act.to)
    held_minor = usdt_of(node, owner, token)
    if held_minor < act.amount_minor:
        raise UserError(f"cold storage {owner} holds {format_amount(held_minor, 'USDT')} USDT: ask for no more")
    head, reference = node.head(), reference_block(platform.solid_log, node.solid())
    if reference is None:
        raise UserError(
            "the scanner has read no block yet that is solid for the node, too, and the transaction must build on one:"
            " is `counterfoil observe` running? Ask again when it has"
        )
    prices, beyond = Prices.of(node), head.timestamp_ms + lifetime_ms >= node.next_maintenance_ms()
    most_sun = platform.settings.fee_limit_max_trx * SUN_PER_TRX
    try:
        amount_minor = act.amount_minor
        need = need_of(
            node,
            prices,
            owner,
            token,
            to,
            amount_minor,
            MARGIN_PERCENT,
            beyond_maintenance=beyond,
            signatures=len(grant.keys) if grant else 1,
        )
        fee_limit_sun = need.fee_limit_sun(most_sun)
    except TokenRefuses as error:
        raise UserError(f"the token refuses the transfer: {error}") from error
    except FeeAboveCeiling as error:
        raise UserError(f"the fee ceiling is too low: {error}: raise {PREFIX}FEE_LIMIT_MAX_TRX") from error
    if need.short_sun:
        raise UserError(
            f"cold storage {owner} lacks {format_amount(need.short_sun, 'TRX')} TRX for the fee: send it some"
        )
    envelope = envelope_for(
        UUID(instruction.instruction_id).bytes,
        1,
        reference,
        chain_time_ms=head.timestamp_ms,
        lifetime_ms=lifetime_ms,
        fee_limit_sun=fee_limit_sun,
        permission_id=grant.id if grant else OWNER,
    )
    attempt = attempt_of(intent_of_instruction(instruction, token), envelope, 1)
    return attempt, Policy(act.to, token.base58, act.amount_minor, most_sun, head.timestamp_ms)


def submit(settings: Settings, file: Path, out: Output) -> None:
    """Record the signature and give the transaction to the network; the process `sweeps` sees it through. Raises UserError."""
    bundle = read_bundle(file)
    if not bundle.given:
        raise UserError(f"{file} is not signed yet: `counterfoil cold sign` does it, on the machine that has the key")
    if bundle.missing:
        raise UserError(
            f"{file} has {', '.join(bundle.signers)}'s signature, and lacks a weight of {bundle.missing}:"
            f" {' or '.join(bundle.waits_for)} signs it next"
        )
    instruction, attempt = bundle.instruction, bundle.attempt
    with acting(settings, SIGNER) as platform:
        check_chain(platform)
        if (bundle.network, bundle.genesis) != (settings.network, platform.node.genesis_id()):
            raise UserError(f"the bundle is for another {bundle.network}: submit it where it was prepared")
        known = _state(platform.store, instruction)
        if known.instruction != instruction or known.attempts.last != attempt:
            raise UserError("no such transfer was prepared here: submit the bundle where it was prepared")
        cold = system_wallet(platform, COLD)
        if instruction.owner != cold.base58:
            raise UserError(f"{instruction.owner} is not the cold wallet")
        if (_grant(platform, cold, attempt.permission_id) or own_key(cold.base58)) != bundle.grant:
            raise UserError(
                "other permissions are declared of cold storage than this bundle was signed by: prepare another one"
            )
        if known.over or known.attempts.sent:
            raise UserError(
                f"{attempt.txid} was submitted before and is {known.state}: `counterfoil cold list` shows it"
            )
        if platform.node.head().timestamp_ms >= attempt.expiration_ms:
            raise UserError("it has expired and nothing moved: prepare another one")
        actor, txid = at_terminal(), attempt.txid
        commands: list[Command] = [
            SignAttempt(order=instruction, actor=actor, txid=txid, signature="".join(bundle.given)),
            BroadcastAttempt(order=instruction, actor=actor, txid=txid),
        ]
        _must_append(platform, commands)
        answer = platform.node.broadcast(transaction_of(bundle))
        note_command(
            settings, "cold.submitted", instruction_id=instruction.instruction_id, txid=txid, answer=answer.code
        )
    out.show(
        {"instruction_id": instruction.instruction_id, "txid": txid, "answer": answer.code},
        f"{txid} was given to the network ({answer.code});"
        " the process sweeps sends it again until it is mined or has expired",
    )


def show(settings: Settings, out: Output) -> None:
    """Every transfer from cold storage, and what became of it."""
    facts, rows = [], []
    with acting(settings, READER) as platform:
        now_ms = platform.node.head().timestamp_ms
        for instruction, state in _all(platform.store, _ids(platform)):
            act, last = instruction.act, state.attempts.last
            assert isinstance(act, SendToken)
            expires_ms = last.expiration_ms if last and not state.over else None
            txid = last.txid if last else None
            facts.append(
                {
                    "id": instruction.instruction_id,
                    "state": _word(state),
                    "txid": txid,
                    **usdt("amount", act.amount_minor),
                    "expires_at": expires_ms and rfc3339(datetime.fromtimestamp(expires_ms / 1000, UTC)),
                }
            )
            left_min = (expires_ms - now_ms) // 60_000 if expires_ms else 0
            said = f"expires in {left_min} minutes" if left_min > 0 else ""
            amount = format_amount(act.amount_minor, "USDT")
            rows.append((instruction.instruction_id, _word(state), txid, amount, said))
    table = Table(("id", "state", "txid", number("USDT"), text("until")), rows)
    out.show({"data": facts}, table if rows else "nothing was ever asked of cold storage")


def _amount(text: str) -> int:
    try:
        return parse_amount(text, "USDT")
    except InvalidAmount as error:
        raise UserError(f"{text} is no amount of USDT: {error}") from error


def _must_append(platform: Platform, commands: Sequence[Command]) -> None:
    """All of them. Raises UserError for what is refused, as while signing is stopped."""
    for outcome in platform.ledger.execute(commands):
        if isinstance(outcome, Refused):
            raise UserError(outcome.refusal.detail)
        if isinstance(outcome, Failed):
            raise outcome.error


def _ids(platform: Platform) -> list[str]:
    with psycopg.connect(platform.reader_url) as conn:
        return [stream for (stream,) in conn.execute(_STREAMS)]


def _all(store: EventStore, streams: list[str]) -> Iterator[tuple[Instruction, InstructionState]]:
    for records in store.histories(streams).values():
        given = records[0].event
        assert isinstance(given, InstructionGiven)
        state = InstructionState()
        for recorded in records:
            state = state.evolve(recorded.event)
        yield given.instruction, state


def _open(store: EventStore, streams: list[str]) -> Iterator[tuple[Instruction, InstructionState]]:
    return ((instruction, state) for instruction, state in _all(store, streams) if not state.over)


def _state(store: EventStore, instruction: Instruction) -> InstructionState:
    state = InstructionState()
    for recorded in store.histories([instruction.stream]).get(instruction.stream, ()):
        state = state.evolve(recorded.event)
    return state


def _word(state: InstructionState) -> str:
    return "signed" if state.state == "prepared" and state.attempts.signature else state.state


def _qr(bundle: Bundle) -> list[str]:
    """The bytes as a picture on a terminal, for a machine that has a camera and no port; nothing elsewhere."""
    if not sys.stdout.isatty():
        return []
    import segno

    drawn = io.StringIO()
    segno.make(bundle.attempt.raw_data.upper(), error="m").terminal(drawn, compact=True)
    return [drawn.getvalue()]


app = App(name="cold", help="Coins from cold storage to the hot wallet, signed on a machine without network")


BundleFile = Annotated[Path, Parameter(name="BUNDLE", help="The file that `counterfoil cold prepare` has written")]


@app.command(name="prepare")
def _prepare(
    amount: Annotated[str, Parameter(help="How much USDT, as 2500.00")],
    /,
    *,
    output: Annotated[Path, Parameter(help="The bundle to write")] = Path("cold-bundle.json"),
    hours: Annotated[int, Parameter(help="How long signing may take", validator=Number(gte=1, lte=24))] = 24,
    permission: Annotated[
        int, Parameter(help="By which of cold storage's permissions: 0 is the owner's", validator=Number(gte=0, lte=9))
    ] = 0,
    json: Json = False,
    data: Data = None,
) -> None:
    """Fix the transaction, record it, and write a bundle for the machine that has the key."""
    prepare(settings_with(data=data), amount, output, hours, Output(as_json=json), permission)


@app.command(name="sign")
def _sign(
    bundle: BundleFile,
    /,
    *,
    keystore: Annotated[Path, Parameter(help="Cold storage's keystore, as `counterfoil cold keygen` has made it")],
    fingerprint: Annotated[
        str | None, Parameter(help="As whoever prepared the bundle said it; asked for without it")
    ] = None,
    json: Json = False,
) -> None:
    """Check every byte of a bundle against what it says, and sign it. Needs no network, no database and no node."""
    from gateways.cli.cold_storage.machine import sign as sign_bundle

    sign_bundle(settings_with(), bundle, keystore, fingerprint, Output(as_json=json))


@app.command(name="submit")
def _submit(
    bundle: Annotated[Path, Parameter(name="BUNDLE", help="The signed one")],
    /,
    *,
    json: Json = False,
    data: Data = None,
) -> None:
    """Hold a signed bundle to what was recorded, and give its transaction to the network."""
    submit(settings_with(data=data), bundle, Output(as_json=json))


@app.command(name="list")
def _list_transfers(*, json: Json = False, data: Data = None) -> None:
    """Every transfer from cold storage, and what became of it."""
    show(settings_with(data=data), Output(as_json=json))


@app.command(name="keygen")
def _keygen(*, keystore: Annotated[Path, Parameter(help="The keystore to write")], json: Json = False) -> None:
    """Make cold storage's key, on the machine that keeps it, and print the address to register."""
    from gateways.cli.cold_storage.machine import keygen as make_key

    make_key(keystore, settings_with(), Output(as_json=json))

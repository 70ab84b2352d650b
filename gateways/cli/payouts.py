"""`counterfoil payouts`: what an approver signs, the signature that lets a payout go, and a transfer that was one."""

from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from core.ledger.ledger import Accepted, EventStore, Failed, Ledger, Refused
from core.ledger.money import format_amount
from core.streams.lost_ends import AttributeLost
from core.streams.lost_outgoing import lost_stream
from core.streams.payout.approvals import ApprovePayout, PayoutApproved, canonical_order, payout_digest
from core.streams.payouts import Payout, PayoutOrder, payout_stream
from gateways.cli.acts import at_terminal, note_command
from gateways.cli.chain.unexplained import unexplained, unproven
from gateways.cli.console import Data, Json, Output, pairs
from gateways.cli.installation import opened_database, settings_with
from gateways.embedded.note_keys import SeedSigner, load
from gateways.postgres.roles import API, READER
from gateways.settings import Settings
from gateways.user_error import UserError
from gateways.wiring.opened import open_platform

PayoutId = Annotated[str, Parameter(help="The payout's id")]


class Signed(msgspec.Struct, frozen=True):
    """A payout as an approver sees it: the order that is signed, and who has signed it."""

    order: PayoutOrder
    state: str
    approvers: tuple[str, ...]

    @property
    def digest(self) -> bytes:
        return payout_digest(self.order)

    def show(self, out: Output, *said: str) -> None:
        order = self.order
        facts = {
            "payout_id": order.payout_id,
            "state": self.state,
            "signed": canonical_order(order).decode(),
            "digest": self.digest.hex(),
            "approved_by": list(self.approvers),
        }
        rows = [
            ("payout", order.payout_id),
            ("state", self.state),
            ("account", order.account_id),
            ("pays", f"{format_amount(order.amount_minor, order.currency)} {order.currency}"),
            ("to", order.to_address),
            ("signed is", canonical_order(order).decode()),
            ("digest", self.digest.hex()),
            ("signatures by", ", ".join(self.approvers) or "nobody"),
        ]
        out.show(facts, pairs(rows), *said)


def payout_of(store: EventStore, payout_id: str) -> Signed:
    """From its own stream. Raises UserError for an id that is none."""
    stream, payout, names = payout_stream(payout_id), Payout(), []
    for recorded in store.histories([stream]).get(stream, ()):
        payout = payout.evolve(recorded.event)
        if isinstance(recorded.event, PayoutApproved):
            names.append(recorded.event.approver)
    if payout.order is None:
        raise UserError(f"there is no payout {payout_id}")
    return Signed(payout.order, payout.state, tuple(dict.fromkeys(names)))


def approve(ledger: Ledger, signed: Signed, signer: SeedSigner, actor: str) -> bool:
    """Append the approver's signature -> whether it is a new one. Raises UserError where it is refused."""
    command = ApprovePayout(
        signed.order,
        actor,
        approver=signer.key.name,
        digest=signed.digest.hex(),
        signature=signer.sign(signed.digest).hex(),
    )
    [outcome] = ledger.execute([command])
    if isinstance(outcome, Failed):
        raise outcome.error
    if isinstance(outcome, Refused):
        raise UserError(outcome.refusal.detail)
    return isinstance(outcome, Accepted)


def show_payout(settings: Settings, payout_id: str, out: Output) -> None:
    """What an approver signs of it, and who has."""
    with opened_database(settings) as database, open_platform(settings, READER, database) as platform:
        payout_of(platform.store, payout_id).show(out)


def approve_payout(settings: Settings, payout_id: str, key: Path, out: Output) -> None:
    """Sign with the key of the file. The operator at this machine is the actor, the key's name the approver."""
    signer = load(key)
    with opened_database(settings) as database, open_platform(settings, API, database) as platform:
        signed = payout_of(platform.store, payout_id)
        new = approve(platform.ledger, signed, signer, at_terminal())
        note_command(settings, "payout.approved", database, payout_id=payout_id, approver=signer.key.name)
    name = signer.key.name
    said = f"{name} has approved it" if new else f"{name} had approved it before"
    signed = msgspec.structs.replace(signed, approvers=tuple(dict.fromkeys((*signed.approvers, name))))
    signed.show(out, f"{said}; the signer counts it if the key is on its own list, SIGNER_APPROVERS")


def adopt_payout(settings: Settings, payout_id: str, txid: str, out: Output) -> None:
    """Say that a transfer which nobody here signed was this payout. Raises UserError where the chain does not prove it."""
    with opened_database(settings) as database, open_platform(settings, API, database) as platform:
        found = next((each for each in unexplained(platform) if each.txid == txid), None)
        if found is None:
            raise UserError(
                f"nothing left as {txid} that is not explained: `counterfoil signing status` lists what did"
            )
        with open_platform(settings, READER, database) as reader, reader.node.pinned():
            why = unproven(reader, found)
        if why:
            raise UserError(f"{txid} does not prove that anybody was paid: {why}")
        stream = lost_stream(found.to_address, found.amount_minor)
        [outcome] = platform.ledger.execute([AttributeLost(stream, txid, payout_id, at_terminal())])
        if isinstance(outcome, Failed):
            raise outcome.error
        if isinstance(outcome, Refused):
            raise UserError(outcome.refusal.detail)
        note_command(settings, "payout.adopted", database, payout_id=payout_id, txid=txid)
    amount = f"{format_amount(found.amount_minor, found.currency)} {found.currency}"
    out.show(
        {"payout_id": payout_id, "txid": txid, "block_number": found.block_number},
        f"payout {payout_id} was {txid}: {amount} to {found.to_address} in block {found.block_number}, as its receipt shows. It"
        " ends as confirmed, and nothing leaves for it",
    )


app = App(name="payouts", help="See what an approver signs of a payout, approve one above the limits, adopt a transfer")


@app.command(name="show")
def _show(payout_id: PayoutId, /, *, json: Json = False, data: Data = None) -> None:
    """What an approver signs: the order, as it is signed, and its digest."""
    show_payout(settings_with(data=data), payout_id, Output(as_json=json))


@app.command(name="adopt")
def _adopt(
    payout_id: PayoutId,
    /,
    *,
    tx: Annotated[str, Parameter(help="The transaction that paid it, and that nobody here signed")],
    json: Json = False,
    data: Data = None,
) -> None:
    """Say that an unexplained transfer was this payout, as its receipt proves: it ends as confirmed, and is not paid again."""
    adopt_payout(settings_with(data=data), payout_id, tx, Output(as_json=json))


@app.command(name="approve")
def _approve(
    payout_id: PayoutId,
    /,
    *,
    key: Annotated[Path, Parameter(help="The approver's key file, made by `counterfoil approvals keygen`")],
    json: Json = False,
    data: Data = None,
) -> None:
    """Let a payout go that is above the signer's limits: sign its digest, and show what was signed."""
    approve_payout(settings_with(data=data), payout_id, key, Output(as_json=json))

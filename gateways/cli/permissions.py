"""`counterfoil wallets permissions`: whose signatures our wallets are to take, as declared, and what the chain shows."""

from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from cyclopts import App, Parameter

from core.ledger.ledger import Accepted, Command, Failed, Refused
from core.streams.treasury import Role
from core.streams.wallet.permissions import ApprovePermissions, Declaration, DeclarePermissions, canonical_declaration
from core.tron.address import Address
from core.tron.permissions import NUMBERS, OWNER, Grant, KeyWeight, PermissionSet, mask_of, name_of
from gateways.cli.acts import acting, at_terminal, note_command, system_wallet
from gateways.cli.console import Data, Json, Output, pairs
from gateways.cli.installation import settings_with
from gateways.embedded.note_keys import load
from gateways.postgres.roles import READER, SIGNER
from gateways.settings import Settings
from gateways.user_error import UserError
from gateways.wiring.opened import check_chain
from gateways.wiring.permissions import open_permissions
from gateways.wiring.platform import Platform
from signers.outgoing.permissions import Permissions

SHORT: Final = {name.removesuffix("Contract"): name for name in NUMBERS}
"""Operations may be given without the word that all their names end with."""


def declare(
    settings: Settings, role: Role, owner: str, active: tuple[str, ...], keys: tuple[Path, ...], out: Output
) -> None:
    """Record what the chain is to show of the wallet, with an approver's signature where one is given. Raises UserError."""
    signers = [load(key) for key in keys]
    grants = [_grant(text, number) for number, text in enumerate(active, start=2)]
    with acting(settings, SIGNER) as platform:
        check_chain(platform)
        address = system_wallet(platform, role).base58
        wanted = PermissionSet(_grant(owner, OWNER), tuple(grants))
        _append(platform, DeclarePermissions(role=role, address=address, actor=at_terminal(), permissions=wanted))
        permissions = open_permissions(platform)
        for signer in signers:
            _sign(platform, permissions.newest(address), role, address, signer)
        permissions.read()
        note_command(settings, "wallet.permissions-declared", role=role, address=address)
        _show(out, role, permissions, address)


def approve(settings: Settings, role: Role, key: Path, out: Output) -> None:
    """Sign the newest declaration with the key of the file. Raises UserError where there is none."""
    signer = load(key)
    with acting(settings, SIGNER) as platform:
        address = system_wallet(platform, role).base58
        permissions = open_permissions(platform)
        _sign(platform, permissions.newest(address), role, address, signer)
        permissions.read()
        note_command(settings, "wallet.permissions-approved", role=role, approver=signer.key.name)
        _show(out, role, permissions, address)


def show(settings: Settings, role: Role, out: Output) -> None:
    """What is declared of the wallet, who has approved it, and in what the chain differs."""
    with acting(settings, READER) as platform:
        _show(out, role, open_permissions(platform), system_wallet(platform, role).base58)


def _sign(platform: Platform, made: Declaration | None, role: Role, address: str, signer: Any) -> None:
    if made is None:
        raise UserError(f"nothing is declared of the {role} wallet: `counterfoil wallets permissions declare` does it")
    command = ApprovePermissions(
        role=role,
        address=address,
        actor=at_terminal(),
        approver=signer.key.name,
        digest=made.digest.hex(),
        signature=signer.sign(made.digest).hex(),
    )
    _append(platform, command)


def _append(platform: Platform, command: Command) -> bool:
    [outcome] = platform.ledger.execute([command])
    if isinstance(outcome, Refused):
        raise UserError(outcome.refusal.detail)
    if isinstance(outcome, Failed):
        raise outcome.error
    return isinstance(outcome, Accepted)


def _show(out: Output, role: Role, permissions: Permissions, address: str) -> None:
    newest = permissions.newest(address)
    declared = newest.declared.permissions if newest else None
    shown = permissions.on_chain(Address.from_base58(address))
    difference = permissions.difference(Address.from_base58(address))
    signed = sorted({each.approver for each in newest.approvals}) if newest else []
    facts = {
        "role": role,
        "address": address,
        "declared": declared and _facts(declared),
        "number": newest and newest.declared.number,
        "signed": newest and canonical_declaration(newest.declared).decode(),
        "digest": newest and newest.digest.hex(),
        "approved_by": signed,
        "chain": shown and _facts(shown),
        "difference": difference,
    }
    rows = [("wallet", f"{role} {address}")]
    rows += [(f"declared {name_of(each.id).removeprefix('the ')}", str(each)) for each in declared or ()]
    if newest is None:
        rows.append(("declared", "nothing: its own key alone may sign"))
    else:
        rows += [("digest", newest.digest.hex()), ("signatures by", ", ".join(signed) or "nobody")]
    rows += [(f"on chain {name_of(each.id).removeprefix('the ')}", str(each)) for each in shown or ()]
    if newest is not None and not permissions.is_believed(newest):
        said = (
            "what is declared is not approved yet, and no signer believes it: counterfoil wallets permissions approve"
        )
    elif newest is None and not difference:
        said = "the chain shows no other key"
    elif difference:
        said = f"the chain shows something else, and nothing is signed until it is changed or declared: {difference}"
    else:
        said = "the chain shows what is declared"
    out.show(facts, pairs(rows), said)


def _facts(of: PermissionSet) -> list[dict[str, Any]]:
    return [
        {
            "permission_id": each.id,
            "threshold": each.threshold,
            "keys": [msgspec.to_builtins(key) for key in each.keys],
            **({"operations": list(each.operations), "mask": mask_of(each.operations).hex()} if each.id else {}),
        }
        for each in of
    ]


def _grant(text: str, permission_id: int) -> Grant:
    """From "2 of T…, T…=2, T…", an active one's operations behind a colon. Raises UserError."""
    keys, _, operations = text.partition(":")
    threshold, of, holders = keys.partition(" of ")
    if not of or not threshold.strip().isdecimal():
        raise UserError(f'{text!r} is no permission: write it as "2 of ADDRESS, ADDRESS, ADDRESS"')
    named = [name.strip() for name in operations.split(",") if name.strip()]
    wanted = {SHORT.get(name, name) for name in named}
    if unknown := sorted(wanted - NUMBERS.keys()):
        raise UserError(f"{unknown[0]} is no operation of Tron's: name those such as Transfer and TriggerSmartContract")
    ordered = tuple(sorted(wanted, key=NUMBERS.__getitem__))
    return Grant(permission_id, int(threshold), tuple(map(_key, holders.split(","))), ordered)


def _key(text: str) -> KeyWeight:
    address, _, weight = text.strip().partition("=")
    if weight and not weight.isdecimal():
        raise UserError(f"{text.strip()!r} is no key: write ADDRESS, or ADDRESS=WEIGHT")
    return KeyWeight(address, int(weight) if weight else 1)


app = App(name="permissions", help="Whose signatures a wallet takes: what is declared, and what the chain shows")
Wallet = Annotated[Role, Parameter(help="Which wallet")]
KeyFile = Annotated[Path, Parameter(help="An approver's key file, made by `counterfoil approvals keygen`")]


@app.command(name="declare")
def _declare(
    role: Wallet,
    /,
    *,
    owner: Annotated[str, Parameter(help='The owner permission, as "2 of ADDRESS, ADDRESS=2, ADDRESS"')],
    active: Annotated[
        tuple[str, ...],
        Parameter(
            help='An active one, from id 2 on, as "1 of ADDRESS: Transfer, TriggerSmartContract"; may be repeated'
        ),
    ] = (),
    key: Annotated[tuple[Path, ...], Parameter(help="An approver's key file: the signers believe what is signed")] = (),
    json: Json = False,
    data: Data = None,
) -> None:
    """Say what the chain is to show of a wallet. It changes nothing on the chain; what differs from it stops signing."""
    declare(settings_with(data=data), role, owner, active, key, Output(as_json=json))


@app.command(name="approve")
def _approve(role: Wallet, /, *, key: KeyFile, json: Json = False, data: Data = None) -> None:
    """Sign what is declared, so that the signers believe it."""
    approve(settings_with(data=data), role, key, Output(as_json=json))


@app.command(name="show")
def _show_permissions(role: Wallet, /, *, json: Json = False, data: Data = None) -> None:
    """What is declared of a wallet, who has signed that, and in what the chain differs."""
    show(settings_with(data=data), role, Output(as_json=json))

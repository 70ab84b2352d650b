"""Which database role each kind of process logs in as, and which events that role may append (I14).

schema/migrations repeats the list as data (event_grants), and a trigger holds every append to it; a test holds the two equal.
"""

from collections.abc import Mapping
from typing import Final

from core.ledger.events import Event
from core.streams import (
    accounts,
    addresses,
    deposits,
    instructions,
    notices,
    payouts,
    quarantine,
    refused_commands,
    signing,
    sweeps,
    treasury,
)

OWNER: Final = "counterfoil_owner"
"""Owns every table and cannot log in."""

WRITER: Final = "counterfoil_writer"
"""May append everything. For tools that load a history; no process logs in as it."""

API: Final = "counterfoil_api"
RECORDER: Final = "counterfoil_recorder"
SIGNER: Final = "counterfoil_signer"
OBSERVER: Final = "counterfoil_observer"
RELAY: Final = "counterfoil_relay"
WEBHOOKS: Final = "counterfoil_webhooks"
CHECKPOINTER: Final = "counterfoil_checkpointer"
PROJECTOR: Final = "counterfoil_projector"
READER: Final = "counterfoil_reader"

LOGINS: Final = (API, RECORDER, SIGNER, OBSERVER, RELAY, WEBHOOKS, CHECKPOINTER, PROJECTOR, READER)
"""The roles of running processes. None of them can change the history (I2)."""

ROLES: Final = (WRITER, PROJECTOR, READER, API, RECORDER, SIGNER, OBSERVER, RELAY, WEBHOOKS, CHECKPOINTER)

MAY_APPEND: Final[Mapping[str, frozenset[type[Event]]]] = {
    API: frozenset(
        {
            accounts.AccountRegistered,
            accounts.AccountRenamed,
            accounts.AccountSuspendedEvent,
            accounts.AccountReactivated,
            accounts.WebhookUrlChanged,
            accounts.WebhookSecretRotated,
            accounts.LedgerAccountOpened,
            addresses.PayinRequested,
            addresses.PayinDisabled,
            addresses.AddressAssigned,
            payouts.PayoutRequested,
            payouts.PayoutRefused,
            payouts.PayoutCancelled,
            treasury.InternalTransferPosted,
            treasury.AdjustmentPosted,
            signing.SigningResumed,
            refused_commands.CommandRefused,
            refused_commands.RefusalsCounted,
        }
    ),
    RECORDER: frozenset(
        {
            deposits.DepositDetected,
            deposits.DepositConfirmed,
            deposits.DepositOrphaned,
            *notices.EVENTS.values(),
            signing.SigningStopped,
            signing.SigningCauseEnded,
        }
    ),
    WEBHOOKS: frozenset({accounts.WebhookDisabled}),
    SIGNER: frozenset(
        {
            treasury.SystemWalletRegistered,
            payouts.PayoutPrepared,
            payouts.PayoutSigned,
            payouts.PayoutBroadcast,
            payouts.PayoutExpired,
            payouts.PayoutConfirmed,
            payouts.PayoutFailed,
            instructions.InstructionGiven,
            instructions.InstructionWithdrawn,
            instructions.InstructionPrepared,
            instructions.InstructionSigned,
            instructions.InstructionBroadcast,
            instructions.InstructionExpired,
            instructions.InstructionConfirmed,
            instructions.InstructionFailed,
            sweeps.SweepPlanned,
            sweeps.SweepFuelling,
            sweeps.SweepFuelled,
            sweeps.SweepConfirmed,
            sweeps.SweepFailed,
            sweeps.SweepDeferred,
            sweeps.SweepReleased,
            quarantine.AddressQuarantined,
            quarantine.AddressReleased,
        }
    ),
}

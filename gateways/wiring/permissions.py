"""Whose word the signers take for other permissions of our wallets: their own settings say so."""

from typing import TYPE_CHECKING

from gateways.settings import Settings
from gateways.signer_settings import approvers_of
from gateways.wiring.platform import Platform

if TYPE_CHECKING:
    from signers.outgoing.permissions import Permissions


def needed_approvals(settings: Settings) -> int:
    """How many approvers a declaration takes: on mainnet always one at least, elsewhere none where nobody is on the list."""
    listed = approvers_of(settings.signer_approvers)
    return settings.signer_approvals if listed or settings.network == "mainnet" else 0


def open_permissions(platform: Platform) -> "Permissions":
    """What this process believes, as of now."""
    from signers.leash.approvers import Approvers
    from signers.outgoing.permissions import Permissions

    settings = platform.settings
    approvers = Approvers(approvers_of(settings.signer_approvers))
    permissions = Permissions(platform.store, platform.node, approvers, needed_approvals(settings))
    permissions.read()
    return permissions

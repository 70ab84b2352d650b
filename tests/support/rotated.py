"""A hot wallet that another has replaced, behind the canonical history."""

from core.ledger.ledger import Ledger
from core.streams.wallet_rotation import AskWalletRotation, BeginWalletRotation, RetireWallet
from tests.support.history import ACTOR, HOT_WALLET, address, append_history, execute


def append_rotated(ledger: Ledger) -> int:
    """The canonical history, and a rotation from asked to retired; -> the last position."""
    append_history(ledger)
    execute(ledger, AskWalletRotation("hot", ACTOR))
    execute(
        ledger, BeginWalletRotation("hot", ACTOR, address=address("new hot wallet").base58, key_id="keystore:hot-2")
    )
    return execute(ledger, RetireWallet("hot", ACTOR, address=HOT_WALLET.base58, block_number=9_000))

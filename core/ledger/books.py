"""The chart of accounts: the client's book, the treasury's book, and the entry of every business event.

Each function is one business event: its name is the event, its lines are the entry.
"""

from typing import Final

from core.ledger.journal import TREASURY, AccountType, Posting, credit, debit, entry

USER_LIABILITY: Final = "User_Liability"
CLEARING: Final = "Clearing_Account"
CLIENT_ASSET: Final = "System_Hot_Wallet_Asset"

CLIENT_CHART: Final[dict[str, tuple[AccountType, str]]] = {
    USER_LIABILITY: ("liability", "What we owe the client"),
    CLEARING: ("liability", "Payouts in flight"),
    CLIENT_ASSET: ("asset", "The client's claim on coins in custody"),
}

PAYIN_WALLETS: Final = "Payin_Wallets_Asset"
HOT_WALLET: Final = "Hot_Wallet_Asset"
COLD_WALLET: Final = "Cold_Wallet_Asset"
GAS_WALLET: Final = "Gas_Wallet_Asset"
STAKED: Final = "Staked_Asset"
IN_TRANSIT: Final = "In_Transit_Asset"
CUSTODY_CONTROL: Final = "Custody_Control"
NETWORK_FEE: Final = "Network_Fee_Expense"
FEE_REVENUE: Final = "Fee_Revenue"
OPERATOR_CAPITAL: Final = "Operator_Capital"
SUSPENSE: Final = "Suspense"
LOST_HISTORY: Final = "Lost_History"

TREASURY_CHART: Final[dict[str, tuple[AccountType, str]]] = {
    PAYIN_WALLETS: ("asset", "Coins on deposit addresses"),
    HOT_WALLET: ("asset", "Coins in the hot wallet, which pays out"),
    COLD_WALLET: ("asset", "Coins in cold storage"),
    GAS_WALLET: ("asset", "TRX that pays for sweeps"),
    IN_TRANSIT: ("asset", "Coins between our own wallets"),
    CUSTODY_CONTROL: ("liability", "What all clients together may claim"),
    STAKED: ("asset", "TRX staked for energy and bandwidth: frozen, lent, or on its way back"),
    NETWORK_FEE: ("expense", "TRX burned for energy and bandwidth, coins taken by a token's fee"),
    FEE_REVENUE: ("revenue", "Fees charged to clients"),
    OPERATOR_CAPITAL: ("equity", "The operator's own coins"),
    SUSPENSE: ("liability", "Coins that came without a known reason"),
    LOST_HISTORY: ("asset", "Coins that left in history that was lost, until it is known which payout they were"),
}

WALLET_ACCOUNTS: Final = {"hot": HOT_WALLET, "cold": COLD_WALLET, "gas": GAS_WALLET, "payin": PAYIN_WALLETS}
"""Which treasury account holds the coins of a wallet role."""


def deposit_confirmed(book: str, ledger_account: str, amount_minor: int) -> tuple[Posting, ...]:
    """A client's deposit: the claim and the coins appear in both books."""
    return entry(
        debit(book, CLIENT_ASSET, amount_minor, "USDT"),
        credit(book, ledger_account, amount_minor, "USDT"),
        debit(TREASURY, PAYIN_WALLETS, amount_minor, "USDT"),
        credit(TREASURY, CUSTODY_CONTROL, amount_minor, "USDT"),
    )


def unexplained_inbound(wallet_account: str, amount_minor: int, currency: str) -> tuple[Posting, ...]:
    """Coins that reached one of our wallets and belong to no client: booked at once, explained later."""
    return entry(
        debit(TREASURY, wallet_account, amount_minor, currency),
        credit(TREASURY, SUSPENSE, amount_minor, currency),
    )


def own_coins_arrived(wallet_account: str, amount_minor: int, currency: str) -> tuple[Posting, ...]:
    """One wallet of ours has from another what `coins_sent` takes from that one; in whichever order the two are seen."""
    return entry(
        debit(TREASURY, wallet_account, amount_minor, currency),
        credit(TREASURY, IN_TRANSIT, amount_minor, currency),
    )


def moved_by_hand(to_account: str, from_account: str, amount_minor: int, currency: str) -> tuple[Posting, ...]:
    """The owner of a wallet whose key is not held here sent its coins to another wallet of ours."""
    return entry(
        debit(TREASURY, to_account, amount_minor, currency),
        credit(TREASURY, from_account, amount_minor, currency),
    )


def coins_sent(
    wallet_account: str, amount_minor: int, currency: str, *, taken_minor: int, burned_sun: int
) -> tuple[Posting, ...]:
    """A wallet of ours has sent coins to another; `taken_minor` of them is the token's own fee."""
    return entry(
        debit(TREASURY, IN_TRANSIT, amount_minor - taken_minor, currency),
        debit(TREASURY, NETWORK_FEE, taken_minor, currency),
        credit(TREASURY, wallet_account, amount_minor, currency),
        *network_fee(wallet_account, burned_sun),
    )


def staked(wallet_account: str, amount_sun: int, burned_sun: int) -> tuple[Posting, ...]:
    """TRX were frozen: still ours, and no longer to spend."""
    return entry(
        debit(TREASURY, STAKED, amount_sun, "TRX"),
        credit(TREASURY, wallet_account, amount_sun, "TRX"),
        *network_fee(wallet_account, burned_sun),
    )


def unstaked(wallet_account: str, returned_sun: int, burned_sun: int) -> tuple[Posting, ...]:
    """Stake whose waiting time is over came back to its wallet; asking for it moves nothing but the fee."""
    return entry(
        debit(TREASURY, wallet_account, returned_sun, "TRX"),
        credit(TREASURY, STAKED, returned_sun, "TRX"),
        *network_fee(wallet_account, burned_sun),
    )


def funds_destroyed(wallet_account: str, amount_minor: int) -> tuple[Posting, ...]:
    """The issuer destroyed what an address of ours held: who bears it is for the operator to say."""
    return entry(
        debit(TREASURY, SUSPENSE, amount_minor, "USDT"),
        credit(TREASURY, wallet_account, amount_minor, "USDT"),
    )


def lost_outgoing(wallet_account: str, amount_minor: int, currency: str, burned_sun: int) -> tuple[Posting, ...]:
    """A wallet of ours paid somebody in history that was lost: gone, and not known for whom."""
    return entry(
        debit(TREASURY, LOST_HISTORY, amount_minor, currency),
        credit(TREASURY, wallet_account, amount_minor, currency),
        *network_fee(wallet_account, burned_sun),
    )


def lost_move(
    wallet_account: str, amount_minor: int, currency: str, *, taken_minor: int, burned_sun: int
) -> tuple[Posting, ...]:
    """The same to another wallet of ours, where the coins were booked out of Suspense when they arrived.

    `taken_minor` of them, the token's own fee, never did.
    """
    return entry(
        debit(TREASURY, SUSPENSE, amount_minor - taken_minor, currency),
        debit(TREASURY, NETWORK_FEE, taken_minor, currency),
        credit(TREASURY, wallet_account, amount_minor, currency),
        *network_fee(wallet_account, burned_sun),
    )


def lost_outgoing_attributed(book: str, amount_minor: int, fee_minor: int) -> tuple[Posting, ...]:
    """A payout turns out to be what left in history that was lost: as if confirmed, the coins out of Lost_History."""
    return entry(
        debit(book, CLEARING, amount_minor + fee_minor, "USDT"),
        credit(book, CLIENT_ASSET, amount_minor + fee_minor, "USDT"),
        debit(TREASURY, CUSTODY_CONTROL, amount_minor + fee_minor, "USDT"),
        credit(TREASURY, LOST_HISTORY, amount_minor, "USDT"),
        credit(TREASURY, FEE_REVENUE, fee_minor, "USDT"),
    )


def lost_outgoing_written_off(amount_minor: int, currency: str) -> tuple[Posting, ...]:
    """Nobody knows, or will know, for whom it left: the operator bears it."""
    return entry(
        debit(TREASURY, OPERATOR_CAPITAL, amount_minor, currency),
        credit(TREASURY, LOST_HISTORY, amount_minor, currency),
    )


def payout_requested(book: str, ledger_account: str, total_minor: int) -> tuple[Posting, ...]:
    """Amount and fee are reserved: no longer spendable, not yet gone."""
    return entry(
        debit(book, ledger_account, total_minor, "USDT"),
        credit(book, CLEARING, total_minor, "USDT"),
    )


def payout_released(book: str, ledger_account: str, total_minor: int, burned_sun: int) -> tuple[Posting, ...]:
    """A failed or cancelled payout: the reserve goes back, TRX burned on the way stays the operator's cost."""
    return entry(
        debit(book, CLEARING, total_minor, "USDT"),
        credit(book, ledger_account, total_minor, "USDT"),
        *network_fee(HOT_WALLET, burned_sun),
    )


def payout_confirmed(book: str, amount_minor: int, fee_minor: int, burned_sun: int) -> tuple[Posting, ...]:
    """The coins have left: the claim and the custody shrink, the fee becomes the operator's."""
    return entry(
        debit(book, CLEARING, amount_minor + fee_minor, "USDT"),
        credit(book, CLIENT_ASSET, amount_minor + fee_minor, "USDT"),
        debit(TREASURY, CUSTODY_CONTROL, amount_minor + fee_minor, "USDT"),
        credit(TREASURY, HOT_WALLET, amount_minor, "USDT"),
        credit(TREASURY, FEE_REVENUE, fee_minor, "USDT"),
        *network_fee(HOT_WALLET, burned_sun),
    )


def internal_transfer(
    from_book: str, from_account: str, to_book: str, to_account: str, amount_minor: int
) -> tuple[Posting, ...]:
    """Between ledger accounts, no chain; across clients each book balances through its own claim on custody."""
    if from_book == to_book:
        return entry(
            debit(from_book, from_account, amount_minor, "USDT"),
            credit(to_book, to_account, amount_minor, "USDT"),
        )
    return entry(
        debit(from_book, from_account, amount_minor, "USDT"),
        credit(from_book, CLIENT_ASSET, amount_minor, "USDT"),
        debit(to_book, CLIENT_ASSET, amount_minor, "USDT"),
        credit(to_book, to_account, amount_minor, "USDT"),
    )


def network_fee(wallet_account: str, burned_sun: int) -> tuple[Posting, ...]:
    """TRX burned by a transaction that a wallet of ours sent."""
    if not burned_sun:
        return ()
    return entry(
        debit(TREASURY, NETWORK_FEE, burned_sun, "TRX"),
        credit(TREASURY, wallet_account, burned_sun, "TRX"),
    )

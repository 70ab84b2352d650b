"""What would explain a difference of ledger and chain: the entry of an adjustment, or the command that finds it."""

from typing import Any, Final

import msgspec

from core.ledger import books
from core.ledger.journal import TREASURY, Posting
from core.ledger.money import format_amount
from projections.audit.on_chain import TRX, Difference

SCAN: Final = "counterfoil scan --from BLOCK"


class Proposal(msgspec.Struct, frozen=True):
    """`postings` are the lines of the adjustment, none where another way explains it: `command`."""

    sentence: str
    reason: str = ""
    postings: tuple[Posting, ...] = ()
    command: str = ""

    def request(self) -> dict[str, Any]:
        """What POST /v1/adjustments takes."""
        return {
            "reason": self.reason,
            "postings": [
                {
                    "account_id": "treasury",
                    "ledger_account": line.account,
                    "side": line.side,
                    "amount": format_amount(line.amount_minor, line.currency),
                    "currency": line.currency,
                }
                for line in self.postings
            ],
        }


def proposal_for(each: Difference) -> Proposal:
    """Deposit addresses are booked by what the chain shows of each: an adjustment would only move the difference."""
    by_minor = each.found - each.booked
    amount = f"{format_amount(abs(by_minor), each.currency)} {each.currency}"
    if each.account == books.PAYIN_WALLETS:
        return _of_an_address(each, by_minor, amount)
    other = _counterpart(each, by_minor)
    more, less = (each.account, other) if by_minor > 0 else (other, each.account)
    postings = (
        Posting(TREASURY, more, "debit", abs(by_minor), each.currency),
        Posting(TREASURY, less, "credit", abs(by_minor), each.currency),
    )
    where = f"{each.account} at block {each.block_number}" if each.block_number else each.account
    came = "came to" if by_minor > 0 else "left"
    return Proposal(
        sentence=f"debit {more} {amount}, credit {less} {amount}, if nobody else is to be credited",
        reason=f"{amount} {came} {where} otherwise than recorded",
        postings=postings,
    )


def _of_an_address(each: Difference, by_minor: int, amount: str) -> Proposal:
    if each.address is None:
        return Proposal("an adjustment moved coins of deposit addresses as a whole: post its reverse")
    if by_minor > 0:
        return Proposal(
            f"the transfer that brought {amount} to {each.address}, read again from its block", command=SCAN
        )
    return Proposal(
        f"what took {amount} from {each.address}: a transfer that is read again from its block, or the issuer",
        command=SCAN,
    )


def _counterpart(each: Difference, by_minor: int) -> str:
    """Fees that somebody paid by hand are an expense; whose the rest is, is not known yet."""
    if each.currency == TRX and by_minor < 0 and each.account == books.COLD_WALLET:
        return books.NETWORK_FEE
    return books.SUSPENSE

"""What the ports `Node`, `Staking` and `Network` must do, asked of whatever chain a `Hand` acts on.

test_node.py asks the devnet; `make live` asks a real node the same.
"""

from typing import Final

import pytest

from core.ports.chain import CallNotMade
from core.ports.scanning import Cursor
from core.tron.address import SUN_PER_TRX, Address
from core.tron.chain import Permission
from core.tron.transactions import DELEGATE, FREEZE, SIGNED, TRANSFER, UNDELEGATE, UNFREEZE
from scanners.blocks import check, check_link, check_receipts, transfers
from signers.transactions.abi import transfer_call
from tests.live.hand import Hand, key_of, token_of, txid

STAKE_SUN: Final = 10 * SUN_PER_TRX
FAR: Final = 10**9
UNKNOWN: Final = "ab" * 32


class NodeContract:
    """Each test is given a hand that has TRX and tokens; what it leaves behind is stake of STAKE_SUN."""

    def test_solid_blocks_are_behind_the_head_and_stay(self, hand: Hand, token: Address) -> None:
        """The solid block is one of the chain, not above the head; later it is still there."""
        solid, head = hand.node.solid(), hand.node.head()
        assert solid.number <= head.number
        hand.until(lambda: hand.node.solid().number > solid.number, "the solid block moves on")
        block = hand.node.solid_block(solid.number)
        assert block is not None
        assert block.ref == solid
        assert hand.node.genesis_id()[:16] == "0" * 16

    def test_blocks_prove_themselves_and_are_linked(self, hand: Hand, token: Address) -> None:
        """Id, root and producer's signature of solid blocks hold, and each is the child of the one before."""
        newest = hand.node.solid().number
        parent = hand.node.solid_block(newest - 3)
        assert parent is not None
        for number in range(newest - 2, newest + 1):
            block = hand.node.solid_block(number)
            assert block is not None
            check(block)
            check_link(Cursor(parent.ref.number, parent.ref.block_id), block)
            parent = block

    def test_what_is_not_there_is_nothing(self, hand: Hand, token: Address) -> None:
        """A block beyond the head, its receipts, an unknown txid, an account that nobody activated."""
        nobody = bytes(key_of("nobody", hand.address.base58, str(hand.node.head().number)).address)
        assert hand.node.block(FAR) is None
        assert hand.node.solid_block(FAR) is None
        assert list(hand.node.receipts(FAR)) == []
        assert hand.node.receipt(UNKNOWN) is None
        assert hand.node.solid_receipt(UNKNOWN) is None
        assert hand.node.account(nobody) is None
        assert hand.node.resources(nobody).energy_limit == 0

    def test_a_transfer_of_the_token_is_found_in_its_block(self, hand: Hand, token: Address) -> None:
        """Nothing before, then one receipt, in a whole block that holds the transfer with its ends and amount."""
        to = key_of("payee", hand.address.base58, str(hand.node.head().number)).address
        signed = hand.call(token, transfer_call(to, 1_000_001))
        assert hand.node.receipt(txid(signed)) is None
        hand.send(signed)
        receipt = hand.solid(txid(signed))
        block = hand.node.solid_block(receipt.block_number)
        assert block is not None
        receipts = hand.node.solid_receipts(receipt.block_number)
        check(block)
        check_receipts(block, receipts)
        [found] = [each for each in transfers(block, receipts, token.evm) if each.txid == txid(signed)]
        assert (found.sender, found.receiver, found.amount_minor) == (hand.address.evm, to.evm, 1_000_001)
        assert token_of(hand.node, token, to) == 1_000_001
        assert receipt.energy_used > 0
        again = hand.node.broadcast(signed)
        assert (again.verdict, again.code) == ("unclear", "DUP_TRANSACTION_ERROR")

    def test_a_transfer_of_trx_costs_what_its_receipt_says(self, hand: Hand, token: Address) -> None:
        """The balance is less by the amount and the fee."""
        to = key_of("trx", hand.address.base58, str(hand.node.head().number)).address
        before = hand.sun()
        receipt = hand.pay(to, SUN_PER_TRX)
        assert hand.sun() == before - SUN_PER_TRX - receipt.fee_sun
        account = hand.node.account(bytes(to))
        assert account is not None
        assert (account.balance_sun, account.owned_sun) == (SUN_PER_TRX, SUN_PER_TRX)
        assert account.owner_keys in ((), (bytes(to),))

    def test_a_call_that_reverts_is_a_failed_receipt(self, hand: Hand, token: Address) -> None:
        """More than there is: admitted, paid for, REVERT, and no transfer."""
        poor = key_of("poor", hand.address.base58).address
        signed = hand.call(token, transfer_call(poor, 10**18))
        assert hand.node.broadcast(signed).verdict == "accepted"
        receipt = hand.included(txid(signed))
        assert (receipt.failed, receipt.result, receipt.logs) == (True, "REVERT", ())
        block = hand.node.block(receipt.block_number)
        assert block is not None
        receipts = hand.node.receipts(receipt.block_number)
        check_receipts(block, receipts)
        assert txid(signed) not in {each.txid for each in transfers(block, receipts, token.evm)}

    def test_each_refusal_has_its_code(self, hand: Hand, token: Address) -> None:
        """Expired, on another chain, signed by another, more TRX than there is: refused, and never in a block."""
        transfer = {"to_address": bytes(key_of("payee").address), "amount": 1}
        head = hand.node.head()
        stranger = Hand(hand.node, key_of("stranger", hand.address.base58))
        theirs = SIGNED.decode(stranger.signed(TRANSFER, {**transfer, "owner_address": bytes(hand.address)}))
        said = {
            "TRANSACTION_EXPIRATION_ERROR": hand.signed(TRANSFER, transfer, expiration=head.timestamp_ms - 3_000),
            "TAPOS_ERROR": hand.signed(TRANSFER, transfer, ref_block_hash=bytes(8)),
            "SIGERROR": SIGNED.encode(theirs),
            "CONTRACT_VALIDATE_ERROR": hand.signed(TRANSFER, {**transfer, "amount": 2**60}),
        }
        for code, signed in said.items():
            answer = hand.node.broadcast(signed)
            assert (answer.verdict, answer.code) == ("refused", code), answer
            assert hand.node.receipt(txid(signed)) is None

    def test_a_constant_call_says_what_it_would_do(self, hand: Hand, token: Address) -> None:
        """A balance, a revert, a contract that is none; at the head and at the solid block."""
        owner = bytes(hand.address)
        for solid in (False, True):
            held = hand.node.call(
                owner, bytes(token), bytes.fromhex("70a08231") + bytes(12) + hand.address.evm, solid=solid
            )
            assert (held.reverted, len(held.returned)) == (False, 32)
            trial = hand.node.call(owner, bytes(token), transfer_call(hand.address, 1), solid=solid)
            assert not trial.reverted
            assert trial.energy_used > 0
            assert hand.node.call(owner, bytes(token), transfer_call(hand.address, 10**18), solid=solid).reverted
        with pytest.raises(CallNotMade):
            hand.node.call(owner, owner, bytes(4))

    def test_prices_producers_and_maintenance_are_known(self, hand: Hand, token: Address) -> None:
        """The parameters that fees are computed from, at most 27 active producers, and the next election ahead."""
        parameters = hand.node.chain_parameters()
        names = ("getEnergyFee", "getTransactionFee", "getCreateNewAccountFeeInSystemContract", "getMaxFeeLimit")
        assert [name for name in names if not parameters.get(name)] == []
        active = [each for each in hand.node.producers() if each.active]
        assert 1 <= len(active) <= 27
        assert len(hand.node.producer_key(active[0].address)) == 21
        assert hand.node.next_maintenance_ms() > hand.node.solid().timestamp_ms

    def test_stake_is_lent_and_comes_back(self, hand: Hand, token: Address) -> None:
        """Frozen, lent, taken back, unfrozen: each is seen where it stands, and not a sun is lost."""
        node, owner, to = hand.node, bytes(hand.address), key_of("borrower", hand.address.base58).address
        if node.account(bytes(to)) is None:
            hand.pay(to, 1)
        before = node.account(owner)
        assert before is not None
        hand.send(hand.signed(FREEZE, {"frozen_balance": STAKE_SUN, "resource": 1}))
        frozen = node.account(owner)
        assert frozen is not None
        assert frozen.energy_stake_sun == before.energy_stake_sun + STAKE_SUN
        most = node.delegatable_sun(owner, "ENERGY")
        assert 0 < most <= frozen.energy_stake_sun
        lent = {"resource": 1, "balance": SUN_PER_TRX, "receiver_address": bytes(to)}
        hand.send(hand.signed(DELEGATE, lent))
        [row] = node.delegations(owner, bytes(to))
        assert (row.owner, row.receiver, row.energy_sun) == (owner, bytes(to), SUN_PER_TRX)
        assert bytes(to) in node.delegation_index(owner).receivers
        hand.send(hand.signed(UNDELEGATE, lent))
        assert list(node.delegations(owner, bytes(to))) == []
        left = node.unfreezes_left(owner)
        hand.send(hand.signed(UNFREEZE, {"unfreeze_balance": SUN_PER_TRX, "resource": 1}))
        assert node.unfreezes_left(owner) == left - 1
        after = node.account(owner)
        assert after is not None
        newest = max(after.unfreezing, key=lambda each: each.expires_ms)
        assert (newest.resource, newest.amount_sun) == ("ENERGY", SUN_PER_TRX)
        assert node.withdrawable_sun(owner, newest.expires_ms) >= SUN_PER_TRX

    def test_an_account_says_who_may_sign(self, hand: Hand, token: Address) -> None:
        """The owner permission names the account itself until it is changed."""
        account = hand.node.solid_account(bytes(hand.address))
        assert account is not None
        assert account.owner in (None, Permission(0, 1, ((bytes(hand.address), 1),)))

"""Who may sign for an account: weights are summed up to a threshold, a mask says for what, and each has its price."""

import re
from collections.abc import Sequence
from typing import Any

import httpx2
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.tron.transactions import FREEZE, TRANSFER, TRIGGER, UPDATE_PERMISSIONS, contract_of
from gateways.devnet.chain.genesis import Key
from gateways.devnet.http import rendering
from gateways.devnet.in_process import InProcess
from gateways.devnet.node import Verdict
from gateways.devnet.state.transaction import Transaction
from tests.gateways.devnet.world import STRANGER, TRX, Devnet

pytestmark = pytest.mark.fast

HOLDERS = [Key("holders", str(number)) for number in range(5)]
FOREIGN = Key("holders", "none of them")


def mask(*types: int) -> bytes:
    """Bit t of byte t/8."""
    return sum(1 << each for each in types).to_bytes(32, "little")


def granted(threshold: int, weights: dict[Key, int], **fields: Any) -> dict[str, Any]:
    keys = [{"address": key.address, "weight": weight} for key, weight in weights.items()]
    return {"permission_name": "p", "threshold": threshold, "keys": keys, **fields}


def update(devnet: Devnet, owner: dict[str, Any], *actives: dict[str, Any]) -> Any:
    """Alice's permissions, signed by her."""
    return devnet.send(devnet.alice, UPDATE_PERMISSIONS, owner=owner, actives=[{"type": 2, **each} for each in actives])


def two_of_three(devnet: Devnet) -> Any:
    owner = granted(2, dict.fromkeys(HOLDERS[:3], 1))
    return update(devnet, owner, granted(1, {devnet.alice: 1}, operations=mask(TRANSFER, TRIGGER)))


def offered(devnet: Devnet, signers: Sequence[Key], permission_id: int = 0, kind: int = TRANSFER) -> Transaction:
    """A TRX transfer of alice's, or one TRX of her stake, signed by these in order."""
    fields = {"to_address": STRANGER, "amount": TRX} if kind == TRANSFER else {"frozen_balance": TRX, "resource": 1}
    contract = contract_of(kind, {"owner_address": devnet.alice.address, **fields}, permission_id=permission_id)
    transaction: Transaction = devnet.signed(devnet.alice, kind, fields, contract=[contract])
    made = tuple(key.sign(bytes.fromhex(transaction.txid)) for key in signers)
    return msgspec.structs.replace(transaction, signatures=made)


def broadcast(devnet: Devnet, *signers: Key, permission_id: int = 0, kind: int = TRANSFER) -> Verdict:
    return devnet.node.broadcast(offered(devnet, signers, permission_id, kind))


def asked_of(devnet: Devnet, call: str, body: dict[str, Any]) -> dict[str, Any]:
    with httpx2.Client(transport=InProcess(devnet.node), base_url="http://devnet") as client:
        answer: dict[str, Any] = client.post(f"/wallet/{call}", json=body).json()
        return answer


def test_an_update_costs_100_trx_and_takes_the_old_key_its_right() -> None:
    """From the block on the owner's own key alone signs as owner no longer, and two of the three do."""
    devnet = Devnet()
    before = devnet.trx(devnet.alice.address) or 0
    included = two_of_three(devnet)
    assert included.outcome.fee_sun - included.outcome.net_fee_sun == 100 * TRX
    assert before - (devnet.trx(devnet.alice.address) or 0) == included.outcome.fee_sun
    refused = broadcast(devnet, devnet.alice)
    assert refused.code == "SIGERROR"
    assert f"is signed by {devnet.alice.address} but it is not contained of permission." in refused.message
    assert broadcast(devnet, HOLDERS[0]).message == "Validate signature error: sig error"
    assert broadcast(devnet, HOLDERS[2], HOLDERS[0]).accepted


def test_an_update_that_cannot_be_paid_is_refused_as_java_tron_does() -> None:
    """Recorded: its code says that the contract was executed, and its words what the account has."""
    devnet = Devnet()
    devnet.send_trx(devnet.carol, devnet.owner.address, (devnet.trx(devnet.carol.address) or 0) - 99 * TRX)
    active = {"type": 2, **granted(1, {devnet.carol: 1}, operations=mask(TRANSFER))}
    fields = {"owner": granted(1, {devnet.carol: 1}), "actives": [active]}
    verdict = devnet.node.broadcast(devnet.signed(devnet.carol, UPDATE_PERMISSIONS, fields))
    words = (
        rf"Contract execute error : {devnet.carol.address.hex()} insufficient balance, balance: 9\d+, amount: 100000000"
    )
    assert verdict.code == "CONTRACT_EXE_ERROR"
    assert re.fullmatch(words, verdict.message)


def test_more_than_one_signature_costs_1_trx_more() -> None:
    """The fee for several signatures stands in the receipt's fee, beside bandwidth."""
    devnet = Devnet()
    two_of_three(devnet)
    devnet.send_trx(devnet.bob, STRANGER, 1)  # the account is there already: no creation is paid for
    both = devnet.mined(offered(devnet, HOLDERS[:2])).outcome
    alone = devnet.mined(offered(devnet, [devnet.alice], permission_id=2)).outcome
    assert (both.fee_sun - both.net_fee_sun, alone.fee_sun - alone.net_fee_sun) == (TRX, 0)


def test_an_active_permission_signs_what_its_mask_has() -> None:
    """A transfer is in the mask, freezing is not, and a permission that was never given is none."""
    devnet = Devnet()
    two_of_three(devnet)
    assert broadcast(devnet, devnet.alice, permission_id=2).accepted
    words = [
        broadcast(devnet, devnet.alice, permission_id=2, kind=FREEZE).message,
        broadcast(devnet, devnet.alice, permission_id=3).message,
        broadcast(devnet, HOLDERS[0], HOLDERS[0]).message,
        broadcast(devnet, *HOLDERS[:4]).message,
    ]
    assert [each.removeprefix("Validate signature error: ") for each in words] == [
        "Permission denied",
        "permission isn't exit",
        f"{HOLDERS[0].address} has signed twice!",
        "Signature count is 4 more than key counts of permission : 3",
    ]


@settings(max_examples=150)
@given(
    weights=st.lists(st.integers(1, 9), min_size=1, max_size=5),
    share=st.floats(0, 1),
    order=st.lists(st.integers(0, 5), min_size=1, max_size=5),
)
def test_signatures_count_when_their_weights_reach_the_threshold(
    weights: list[int], share: float, order: list[int]
) -> None:
    """Taken exactly when all are of different keys of the permission and weigh its threshold together, in any order."""
    devnet = Devnet()
    threshold = max(1, round(share * sum(weights)))
    held = dict(zip(HOLDERS, weights, strict=False))
    update(devnet, granted(threshold, held), granted(1, {devnet.alice: 1}, operations=mask(TRANSFER)))
    signers = [(*HOLDERS, FOREIGN)[place] for place in order]
    is_enough = (
        len(set(order)) == len(order)
        and all(signer in held for signer in signers)
        and sum(held.get(signer, 0) for signer in signers) >= threshold
    )
    verdict = broadcast(devnet, *signers)
    assert verdict.accepted == is_enough, verdict
    assert verdict.accepted or verdict.code == "SIGERROR"


def test_an_account_shows_its_permissions() -> None:
    """Those of birth, and those that were given: ids from 2 on, masks as hex, the owner's type left out."""
    devnet = Devnet()
    asked = {"address": devnet.alice.address.hex()}
    born = asked_of(devnet, "getaccount", asked)
    own = [{"address": devnet.alice.address.hex(), "weight": 1}]
    assert born["owner_permission"] == {"permission_name": "owner", "threshold": 1, "keys": own}
    [active] = born["active_permission"]
    assert (active["type"], active["id"], active["keys"]) == ("Active", 2, own)
    two_of_three(devnet)
    given_ = asked_of(devnet, "getaccount", asked)
    assert given_["owner_permission"]["threshold"] == 2
    assert [each["weight"] for each in given_["owner_permission"]["keys"]] == [1, 1, 1]
    assert given_["active_permission"][0]["operations"] == mask(TRANSFER, TRIGGER).hex()


def test_what_is_signed_so_far_is_told() -> None:
    """getsignweight weighs what is there, and names a stranger, a second signature and a wrong permission."""
    devnet = Devnet()
    two_of_three(devnet)

    def told(*signers: Key, permission_id: int = 0) -> dict[str, Any]:
        transaction = rendering.transaction(offered(devnet, signers, permission_id), visible=False)
        body = asked_of(devnet, "getsignweight", transaction)
        return {name: body.get(name) for name in ("current_weight", "approved_list", "result")}

    one, two = (holder.address.hex() for holder in HOLDERS[:2])
    lacks = {"code": "NOT_ENOUGH_PERMISSION"}
    assert told() == {"current_weight": None, "approved_list": None, "result": lacks}
    assert told(HOLDERS[0]) == {"current_weight": 1, "approved_list": [one], "result": lacks}
    assert told(*HOLDERS[:2]) == {"current_weight": 2, "approved_list": [one, two], "result": {}}
    for answer, words in (
        (told(FOREIGN), f"is signed by {FOREIGN.address} but it is not contained of permission."),
        (told(HOLDERS[0], HOLDERS[0]), f"{HOLDERS[0].address} has signed twice!"),
        (told(HOLDERS[0], permission_id=5), "Permission for this, does not exist!"),
    ):
        assert answer["result"]["code"] == "PERMISSION_ERROR"
        assert words in answer["result"]["message"]

"""What strangers and nodes do to the running product: a bomb of nesting, receipts of 69 MB, a payee that empties its wallet."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx2
import pytest

from core.tron.address import USDT_MAINNET, Address
from core.tron.transactions import TRIGGER, contract_of
from gateways.devnet.machine import abi
from gateways.devnet.state.transaction import of_raw
from signers.keys.keys import SoftwareKey
from tests.journeys.conftest import Installation, get, post
from tests.support.patience import HANG_S, until

RETURNED: Final = 34_500_000
"""As hex digits 69 MB: what 690 calls that return 50,000 bytes each leave in a block's receipts (FAILURES 90)."""
PAYEE: Final = SoftwareKey(b"\x2a" * 32)
ENERGY_TO_A_HOLDER: Final = 64_285


@pytest.fixture(scope="module")
def running() -> Iterator[Installation]:
    with (
        tempfile.TemporaryDirectory(prefix="cf-strange-") as folder,
        Installation(Path(folder) / "data", rate_limit="100000/minute") as running,
    ):
        running.faucet(running.hot_wallet(), usdt="1000", trx="1000")
        yield running


def test_a_bomb_of_nesting_is_the_node_s_fault(running: Installation) -> None:
    """Blocks and receipts that are lists in lists, 100,000 deep, end no process, and what they hid is credited."""
    with running.company("Nested") as company:
        payin = _payin(company)
        for path in (
            "/walletsolidity/getblockbynum",
            "/walletsolidity/gettransactioninfobyblocknum",
            "/walletsolidity/getbloc[k]",
        ):
            _devnet(running, "POST", "faults", kind="nested", times=2, path=path)
        running.faucet(payin, usdt="3")
        until(lambda: _confirmed(company) == ["3.000000"], "the deposit is credited")
        assert _devnet(running, "GET", "faults")["struck"]["nested"] == 6
    assert _is_well(running)


def test_receipts_of_69_megabytes_hold_up_nobody(running: Installation) -> None:
    """What strangers returned in a block is read past, in as many heavy answers as come, and its deposits are credited."""
    with running.company("Heavy") as company:
        payin = _payin(company)
        path = "/walletsolidity/gettransactioninfobyblocknum"
        _devnet(running, "POST", "faults", kind="heavy_infos", times=1, path=path, returned=RETURNED)
        running.faucet(payin, usdt="4")
        until(lambda: _confirmed(company) == ["4.000000"], "the deposit is credited")
        assert _devnet(running, "GET", "faults")["struck"]["heavy_infos"] == 1
    assert _is_well(running)


def test_a_payee_that_empties_its_wallet_is_paid(running: Installation) -> None:
    """It holds USDT in the solid block that the trial asks and none in the one that pays: the fee limit covers both."""
    running.faucet(PAYEE.address.base58, usdt="5", trx="100")
    with running.company("Paying") as company:
        running.faucet(_payin(company), usdt="20")
        until(lambda: _confirmed(company) == ["20.000000"], "the company has coins")
        emptied = _send_all(running, 5_000_000)
        until(lambda: _receipt(running, emptied), "the payee has emptied its wallet")
        post(company, "/v1/payouts", {"to_address": PAYEE.address.base58, "amount": "2"})
        paid = until(lambda: _ended(company), "the payout has ended")
        assert paid["state"] == "confirmed"
        used = _receipt(running, paid["tron_tx_hash"])["receipt"]["energy_usage_total"]
        assert used > ENERGY_TO_A_HOLDER
    assert _is_well(running)


def _payin(company: httpx2.Client) -> str:
    """An address, as soon as the signer has made one."""

    def asked() -> str:
        answer = company.post("/v1/payins", json={}, headers={"idempotency-key": str(uuid4())})
        return str(answer.json()["address"]["tron_address_base58"]) if answer.status_code == 201 else ""

    return until(asked, "there is an address")


def _confirmed(company: httpx2.Client) -> list[str]:
    return [str(deposit["amount"]) for deposit in get(company, "/v1/deposits", status="confirmed")["data"]]


def _ended(company: httpx2.Client) -> dict[str, Any] | None:
    payouts = get(company, "/v1/payouts")["data"]
    return next((payout for payout in payouts if payout["state"] in ("confirmed", "failed")), None)


def _is_well(running: Installation) -> bool:
    return until(lambda: httpx2.get(f"{running.api}/readyz", timeout=HANG_S).status_code == 200, "everything goes on")


def _send_all(running: Installation, amount_minor: int) -> str:
    """The payee gives its USDT to somebody else -> the txid."""
    head = _call(running, "/wallet/getnowblock")
    head_id, now_ms = bytes.fromhex(head["blockID"]), int(head["block_header"]["raw_data"]["timestamp"])
    to = SoftwareKey(b"\x2b" * 32).address
    data = abi.selector_of("transfer(address,uint256)") + abi.of_address(to.evm) + abi.of_uint(amount_minor)
    call = {"owner_address": PAYEE.address, "contract_address": Address.from_base58(USDT_MAINNET), "data": data}
    raw = {
        "ref_block_bytes": head_id[6:8],
        "ref_block_hash": head_id[8:16],
        "expiration": now_ms + 600_000,
        "timestamp": now_ms,
        "fee_limit": 100_000_000,
        "contract": [contract_of(TRIGGER, call)],
    }
    unsigned = of_raw(raw)
    signed = of_raw(raw, (PAYEE.sign_digest(bytes.fromhex(unsigned.txid)),))
    answer = _call(running, "/wallet/broadcasthex", transaction=signed.encode().hex())
    assert answer["result"] is True, answer
    return unsigned.txid


def _receipt(running: Installation, txid: str) -> Any:
    return _call(running, "/wallet/gettransactioninfobyid", value=txid)


def _call(running: Installation, path: str, **body: Any) -> Any:
    return httpx2.post(f"{running.devnet}{path}", json=body, timeout=HANG_S).json()


def _devnet(running: Installation, method: str, call: str, **body: Any) -> Any:
    answer = httpx2.request(method, f"{running.devnet}/devnet/{call}", json=body or None, timeout=HANG_S)
    assert answer.status_code == 200, answer.text
    return answer.json()

"""An HTTP client of a devnet in this process."""

from typing import Any

import httpx2

from gateways.devnet.in_process import InProcess
from gateways.devnet.state.transaction import Transaction
from tests.gateways.devnet.world import STRANGER, TRX, Devnet

CLIENT_S = 10.0
"""What a client is patient for, of a time that is only counted."""


class Client:
    """An HTTP client of a devnet in this process; only what it is told to mine is mined."""

    def __init__(self) -> None:
        self.devnet = Devnet()
        self.waited_ms = 0
        self.http = httpx2.Client(
            base_url="http://devnet", transport=InProcess(self.devnet.node, self._wait), timeout=CLIENT_S
        )

    def _wait(self, ms: int) -> None:
        self.waited_ms += ms

    def post(self, path: str, **body: Any) -> Any:
        return self.http.post(path, json=body).json()

    def arm(self, kind: str, **fields: Any) -> Any:
        answer = self.http.post("/devnet/faults", json={"kind": kind, **fields})
        assert answer.status_code == 200, answer.text
        return answer.json()

    @property
    def armed(self) -> list[dict[str, Any]]:
        armed: list[dict[str, Any]] = self.http.get("/devnet/faults").json()["armed"]
        return armed

    def transfer(self) -> Transaction:
        """A signed TRX transfer to the stranger that nobody has seen yet."""
        signed: Transaction = self.devnet.signed(self.devnet.alice, 1, {"to_address": STRANGER, "amount": TRX})
        return signed

    def broadcast(self, transaction: Transaction) -> Any:
        return self.post("/wallet/broadcasthex", transaction=transaction.encode().hex())

    def busy_block(self, transfers: int = 3) -> int:
        """A block with so many transfers; -> its height."""
        for _ in range(transfers):
            assert self.broadcast(self.transfer())["result"]
        return self.devnet.node.mine().number

    def block(self, number: int) -> Any:
        return self.post("/wallet/getblockbynum", num=number)

    def infos(self, number: int) -> Any:
        return self.post("/wallet/gettransactioninfobyblocknum", num=number)

"""`make live NODE=… KEY=…`: the node's contract, then one journey, against a real node of a test network.

What it may cost is said before anything is sent, and no more than that leaves the key's account.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from core.tron.address import SUN_PER_TRX, Address, InvalidAddress
from gateways.settings import GENESIS_IDS
from gateways.tron.node import TronNode
from signers.keys.keys import SoftwareKey
from tests.contracts.node import STAKE_SUN, NodeContract
from tests.live import token as token_of_ours
from tests.live.hand import FEE_LIMIT_SUN, Hand, token_of
from tests.live.journey import COLD_TRX, GAS_TRX, HOT_TRX, TOKENS, TOKENS_NEEDED, Journey

CONTRACT_SUN: Final = STAKE_SUN + 20 * SUN_PER_TRX
FEES_SUN: Final = 4 * FEE_LIMIT_SUN
"""Of the journey's own transfers of the token, at most."""
STAKE_TRX: Final = 1_000


class Unusable(Exception):
    """What was asked for cannot be done; the message says what to change."""


class Row(NamedTuple):
    """A line of the table."""

    what: str
    ok: bool
    seconds: float
    told: str


class Asked(NamedTuple):
    """Where, with what, and as whom."""

    node: str
    solidity: str
    grpc: str
    grpc_solidity: str
    secret: bytes
    token: str
    stake_trx: int
    steps: tuple[str, ...] = ()
    """Those of the journey to play; none named: all."""


def asked(environ: Mapping[str, str]) -> Asked:
    """Raises Unusable."""
    node, key = environ.get("NODE", ""), environ.get("KEY", "")
    if not node or not key:
        raise Unusable(
            "make live NODE=http://… KEY=64 hex digits [SOLIDITY=…] [GRPC=…] [GRPC_SOLIDITY=…] [TOKEN=T…] [STAKE=1000]"
        )
    try:
        secret = bytes.fromhex(key)
        SoftwareKey(secret)
        stake = int(environ.get("STAKE") or STAKE_TRX)
        token = environ.get("TOKEN", "")
        if token:
            Address.from_base58(token)
    except (ValueError, InvalidAddress) as error:
        raise Unusable(f"KEY is 64 hex digits, TOKEN a base58 address, STAKE whole TRX: {error}") from None
    return Asked(
        node,
        environ.get("SOLIDITY", ""),
        environ.get("GRPC", ""),
        environ.get("GRPC_SOLIDITY", ""),
        secret,
        token,
        stake,
    )


class Live:
    """One run. `rows` is the table, in the order in which things were done."""

    def __init__(self, asked: Asked, say: Callable[[str], None]) -> None:
        self.asked = asked
        self.say = say
        self.node = TronNode(asked.node, asked.solidity)
        self.genesis = self.node.genesis_id()
        self.hand = Hand(self.node, SoftwareKey(asked.secret), left_sun=self.most_sun)
        self.rows: list[Row] = []
        self._began_sun = self.hand.sun()

    @property
    def most_sun(self) -> int:
        """What may leave the key's account."""
        given = (HOT_TRX + GAS_TRX + COLD_TRX + self.asked.stake_trx) * SUN_PER_TRX
        return given + CONTRACT_SUN + FEES_SUN + (0 if self.asked.token else token_of_ours.FEE_LIMIT_SUN)

    @property
    def network(self) -> str:
        """Raises Unusable for mainnet."""
        if self.genesis == GENESIS_IDS["mainnet"]:
            raise Unusable("this node is mainnet's: make live is for test networks, where coins are worth nothing")
        return "nile" if self.genesis == GENESIS_IDS["nile"] else "devnet"

    def run(self) -> bool:
        """Everything, as far as it comes. Raises Unusable before anything is sent."""
        self._check_means()
        with self._row("token") as tell:
            token = Address.from_base58(self.asked.token) if self.asked.token else token_of_ours.deploy(self.hand)
            tell(f"{token.base58}, {'given' if self.asked.token else 'deployed'}")
        if not self.rows[-1].ok:
            return False
        for name in (name for name in vars(NodeContract) if name.startswith("test_")):
            with self._row(name.removeprefix("test_").replace("_", " ")):
                getattr(NodeContract(), name)(self.hand, token)
        self._journey(token)
        spent = (self._began_sun - self.hand.sun()) / SUN_PER_TRX
        self.say(
            f"{spent:.6f} TRX fewer than before, of which {self.hand.burned_sun / SUN_PER_TRX:.6f} were burned here"
        )
        return all(row.ok for row in self.rows)

    def _check_means(self) -> None:
        self.say(f"node {self.asked.node}, network {self.network}, block 0 {self.genesis}")
        most = self.most_sun / SUN_PER_TRX
        self.say(
            f"at most {most:.0f} TRX of {self.hand.address.base58} are spent; {self.asked.stake_trx} of them become stake"
            " and what is left of the rest comes back at the end"
        )
        if self._began_sun < self.most_sun:
            raise Unusable(f"{self.hand.address.base58} has {self._began_sun / SUN_PER_TRX:.6f} TRX, fewer than that")
        if self.asked.token:
            held = token_of(self.node, Address.from_base58(self.asked.token), self.hand.address)
            if held < (TOKENS_NEEDED + 2) * TOKENS:
                raise Unusable(f"it has {held / TOKENS:.6f} of {self.asked.token}, and {TOKENS_NEEDED + 2} are needed")

    def _journey(self, token: Address) -> None:
        run = str(self.node.head().number)
        self.say(f"the installation's keys follow from KEY and the run's name, {run}")
        with tempfile.TemporaryDirectory(prefix="counterfoil-live-") as folder:
            Path(folder).chmod(0o755)
            journey = Journey(self.hand, token, run, self.asked.secret, self.asked.stake_trx, Path(folder))
            settings = {"network": self.network, "tron_node_url": self.asked.node}
            settings |= {"tron_solidity_url": self.asked.solidity} if self.asked.solidity else {}
            settings |= {"tron_grpc_url": self.asked.grpc} if self.asked.grpc else {}
            settings |= {"tron_grpc_solidity_url": self.asked.grpc_solidity} if self.asked.grpc_solidity else {}
            with self._row("installation") as tell, journey.installation(**settings):
                tell("started")
                for what, step in journey.steps:
                    if self.asked.steps and what not in self.asked.steps:
                        continue
                    with self._row(what) as told:
                        told(step())
                    if not self.rows[-1].ok:
                        break
        with self._row("what is left comes back") as tell:
            tell(journey.give_back())

    @contextmanager
    def _row(self, what: str) -> Iterator[Callable[[str], None]]:
        """A line of the table for what is done within; it goes on after what fails."""
        told: list[str] = []
        began = time.monotonic()
        try:
            yield told.append
            row = Row(what, True, time.monotonic() - began, " ".join(told))
        except (AssertionError, Exception) as error:
            sentence = str(error) or type(error).__name__
            row = Row(what, False, time.monotonic() - began, " ".join(sentence.split())[:400])
        self.rows.append(row)
        self.say(f"{'ok' if row.ok else 'FAILED':6} {row.seconds:7.1f} s  {row.what:58} {row.told}")


def main() -> int:
    def say(line: str) -> None:
        print(line, flush=True)

    try:
        held = Live(asked(os.environ), say).run()
    except Unusable as error:
        say(str(error))
        return 2
    say("everything held" if held else "something did not hold: see FAILED above")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())

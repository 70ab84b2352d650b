"""Whether a cause that stops signing still holds on the chain: what does is not settled by a person's word (FAILURES 71)."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from core.ports.unavailable import Unavailable
from core.streams.signing import Cause
from gateways.wiring.permissions import open_permissions
from gateways.wiring.platform import Platform
from signers.sweeps.plan import wallets_of
from signers.transactions.abi import is_blacklisted_call, read_uint256

PAUSED: Final = "5c975abb"
DEPRECATED: Final = "0e136b19"
BASIS_POINTS: Final = "dd644f72"
MAXIMUM_FEE: Final = "35390714"
"""Selectors of the token's getters: paused(), deprecated(), basisPointsRate(), maximumFee()."""


class _Chain:
    """What the token and the wallets are now."""

    def __init__(self, platform: Platform) -> None:
        self._node = platform.node
        self._token = platform.settings.usdt
        self._wallets = wallets_of(platform.store)
        self._permissions = open_permissions(platform)

    def says(self, call: bytes) -> int:
        """The word that a getter of the token returns, where blocks are solid. Raises Unavailable without one."""
        owner = self._wallets.get("hot", self._token)
        answer = self._node.call(owner, self._token, call, solid=True)
        word = None if answer.reverted else read_uint256(answer.returned)
        if word is None:
            raise Unavailable(f"the token {self._token} does not say whether it still stops signing: {answer.message}")
        return word

    def paused(self) -> str:
        return "the token is paused" if self.says(bytes.fromhex(PAUSED)) else ""

    def deprecated(self) -> str:
        return f"{self._token} is deprecated, and still configured" if self.says(bytes.fromhex(DEPRECATED)) else ""

    def fee_on(self) -> str:
        taken = self.says(bytes.fromhex(BASIS_POINTS)) and self.says(bytes.fromhex(MAXIMUM_FEE))
        return "the token takes a fee" if taken else ""

    def blacklisted(self) -> str:
        hot = self._wallets.get("hot")
        return f"{hot} is blacklisted" if hot is not None and self.says(is_blacklisted_call(hot)) else ""

    def hijacked(self) -> str:
        said = ((address, self._permissions.difference(address)) for address in self._wallets.values())
        return next((f"of {address}, {difference}" for address, difference in said if difference), "")


_LOOKS: Final[Mapping[Cause, Callable[[_Chain], str]]] = {
    "token_paused": _Chain.paused,
    "token_deprecated": _Chain.deprecated,
    "token_fee_on": _Chain.fee_on,
    "hot_wallet_blacklisted": _Chain.blacklisted,
    "wallet_permission_changed": _Chain.hijacked,
}
ASKED: Final = frozenset(_LOOKS)
"""The causes that the chain can be asked about."""


def still_holding(platform: Platform, causes: Iterable[Cause]) -> dict[Cause, str]:
    """Those of the causes that the chain still shows, each with what it shows. Raises Unavailable where it cannot be asked."""
    chain = _Chain(platform)
    found = {cause: _LOOKS[cause](chain) for cause in causes if cause in _LOOKS}
    return {cause: shown for cause, shown in found.items() if shown}

"""The contract types that the devnet takes: those this program makes itself, and three that only strangers send."""

from typing import Final

from core.tron.protobuf import Field, Message
from core.tron.transactions import CONTRACT_TYPES

VOTE: Final = 4
UPDATE_ACCOUNT: Final = 10
WITHDRAW_REWARD: Final = 13

_VOTE: Final = Message("Vote", Field(1, "vote_address", "bytes"), Field(2, "vote_count", "int"))

KINDS: Final[dict[int, Message]] = {
    **CONTRACT_TYPES,
    VOTE: Message(
        "VoteWitnessContract",
        Field(1, "owner_address", "bytes"),
        Field(2, "votes", _VOTE, repeated=True),
        Field(3, "support", "bool"),
    ),
    UPDATE_ACCOUNT: Message(
        "AccountUpdateContract", Field(1, "account_name", "bytes"), Field(2, "owner_address", "bytes")
    ),
    WITHDRAW_REWARD: Message("WithdrawBalanceContract", Field(1, "owner_address", "bytes")),
}
"""ContractType number -> the message its parameter holds."""

NUMBERS: Final = {message.name: number for number, message in KINDS.items()}
UNKNOWN: Final = Message("", Field(1, "owner_address", "bytes"))
"""Stands for a type that is none of these: its owner is read, and nothing else of it."""

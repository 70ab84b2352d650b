"""hledger's and beancount's journals: the same accounts, transactions and assertions, each in its own words."""

import re
from base64 import b64encode
from collections.abc import Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import Final

from core.ledger.books import CLIENT_CHART, TREASURY_CHART
from core.ledger.journal import TREASURY, AccountType, ledger_account_id
from core.ledger.money import EXPONENTS, format_amount
from projections.audit.plain_text import Account, Balance, Checkpoint, Transaction, one_line

_ROOTS: Final[dict[AccountType, str]] = {
    "asset": "Assets",
    "liability": "Liabilities",
    "equity": "Equity",
    "revenue": "Income",
    "expense": "Expenses",
}
_CHARTED: Final = frozenset((*CLIENT_CHART, *TREASURY_CHART))
_PLAIN: Final = re.compile(r"[A-Za-z0-9-]+", re.ASCII)


@lru_cache(maxsize=65_536)
def account_name(account: Account) -> str:
    """Type, book, code: two accounts never have one name, also where a client chose a code that a journal cannot hold.

    Liabilities:Treasury:Custody-Control, Liabilities:Client-{id}:User-Liability; a code of a client's own begins with
    "Code-" where it can stand as it is, else with the ledger account's id.

    Beside other books a client's has one root, Equity:Client-{id}, under which it adds up to nothing: the coins that it tells
    of are the treasury's assets already, and a balance sheet of all books counts them once.
    """
    book = "Treasury" if account.book == TREASURY else f"Client-{account.book}"
    if account.code in _CHARTED:
        code = account.code.replace("_", "-")
    elif _PLAIN.fullmatch(account.code):
        code = f"Code-{account.code}"
    else:
        plain = re.sub(r"[^A-Za-z0-9]+", "-", account.code).strip("-")
        code = f"Id-{ledger_account_id(account.book, account.code)}-{plain}"
    if account.is_beside_others:
        return f"Equity:{book}:{_ROOTS[account.type]}:{code}"
    return f"{_ROOTS[account.type]}:{book}:{code}"


def _amount(minor: int, currency: str) -> str:
    return f"{format_amount(minor, currency)} {currency}"


def _lines(transaction: Transaction) -> list[str]:
    return [
        f"    {account_name(account)}  "
        f"{_amount(line.amount_minor if line.side == 'debit' else -line.amount_minor, line.currency)}\n"
        for account, line in transaction.lines
    ]


_FREE: Final = frozenset({"reason", "reference"})
"""What people wrote. Everything else in a tag is ours."""
_MEANT: Final = {ord(sign): f"%{ord(sign):02X}" for sign in "%,:;[]"}
"""Signs that end a tag in hledger, begin another, or date it."""


def _in_a_tag(text: str) -> str:
    """Free text that stays the value of its tag: %2C is a comma, as in an address of the web."""
    return one_line(text).translate(_MEANT)


def _root(checkpoint: Checkpoint) -> str:
    return b64encode(checkpoint.root).decode()


class Hledger:
    """A journal for hledger; `hledger check --strict` holds it. An assertion stands right behind what it asserts."""

    asserts_days = False

    def begin(self, title: str) -> str:
        commodities = [f"commodity 1000.{'0' * exponent} {currency}\n" for currency, exponent in EXPONENTS.items()]
        signs = self.note("what people wrote stands in tags with %2C for a comma, %3A for a colon, and so on")
        return "".join([self.note(title), signs, "\n", *commodities, "\n"])

    def account(self, day: date, account: Account, owner: str | None) -> str:  # noqa: ARG002  the same as beancount's
        name = "" if owner is None else f", name:{_in_a_tag(owner)}"
        return f"account {account_name(account)}  ; code:{account.code}, book:{account.book}{name}\n"

    def opening(self, day: date, balances: list[Balance]) -> str:
        held = [f"    {account_name(account)}  {_amount(amount, currency)}\n" for account, currency, amount in balances]
        return "".join([f"\n{day} * opening balances\n", *held])

    def transaction(self, transaction: Transaction) -> str:
        tags = [
            f"    ; {key}:{_in_a_tag(str(value)) if key in _FREE else one_line(str(value))}\n"
            for key, value in transaction.about.items()
        ]
        head = f"\n{transaction.day} * {transaction.kind} | {transaction.topic}\n"
        return "".join([head, *tags, *_lines(transaction)])

    def checkpoint(self, day: date, checkpoint: Checkpoint) -> str:  # noqa: ARG002  the assertion says it
        return ""

    def assertion(self, day: date, balances: list[Balance], checkpoint: Checkpoint | None) -> str:
        head, tags = "balances", ""
        if checkpoint is not None:
            head = f"checkpoint {checkpoint.number}"
            tags = f"    ; size:{checkpoint.size}\n    ; root:{_root(checkpoint)}\n"
        held = [
            f"    {account_name(account)}  {_amount(0, currency)} = {_amount(amount, currency)}\n"
            for account, currency, amount in balances
        ]
        return "".join([f"\n{day} * {head}\n", tags, *held])

    def note(self, text: str) -> str:
        return f"; {text}\n"


class Beancount:
    """A journal for beancount; `bean-check` holds it. An assertion is of the start of the next day, with no tolerance."""

    asserts_days = True

    def begin(self, title: str) -> str:
        option = f"option {_quoted('title')} {_quoted(title)}\n"
        currencies = [f"option {_quoted('operating_currency')} {_quoted(currency)}\n" for currency in EXPONENTS]
        return "".join([self.note(title), option, *currencies, "\n"])

    def account(self, day: date, account: Account, owner: str | None) -> str:
        name = [] if owner is None else [("name", owner)]
        about = _metadata([("code", account.code), ("book", account.book), *name])
        return f"{day} open {account_name(account)}\n{about}"

    def opening(self, day: date, balances: list[Balance]) -> str:
        held = [f"    {account_name(account)}  {_amount(amount, currency)}\n" for account, currency, amount in balances]
        return "".join([f"\n{day} * {_quoted('opening balances')}\n", *held])

    def transaction(self, transaction: Transaction) -> str:
        head = f"\n{transaction.day} * {_quoted(transaction.kind)} {_quoted(transaction.topic)}\n"
        return "".join([head, _metadata(list(transaction.about.items())), *_lines(transaction)])

    def checkpoint(self, day: date, checkpoint: Checkpoint) -> str:
        about = _metadata([("size", checkpoint.size), ("root", _root(checkpoint))])
        return f"\n{day} custom {_quoted('checkpoint')} {checkpoint.number}\n{about}"

    def assertion(self, day: date, balances: list[Balance], checkpoint: Checkpoint | None) -> str:
        about = ""
        if checkpoint is not None:
            about = _metadata(
                [("checkpoint", checkpoint.number), ("size", checkpoint.size), ("root", _root(checkpoint))]
            )
        next_day = day + timedelta(days=1)
        held = [
            f"{next_day} balance {account_name(account)}  {format_amount(amount, currency)} ~ 0 {currency}\n{about}"
            for account, currency, amount in balances
        ]
        return "".join(["\n", *held])

    def note(self, text: str) -> str:
        return f"; {text}\n"


FORMS: Final[dict[str, type[Hledger] | type[Beancount]]] = {"hledger": Hledger, "beancount": Beancount}


def _metadata(pairs: Sequence[tuple[str, str | int]]) -> str:
    return "".join(
        f"  {key}: {value if isinstance(value, int) else _quoted(one_line(value))}\n" for key, value in pairs
    )


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'

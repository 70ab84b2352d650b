"""What an operator does at the terminal is what HTTP does: the same answers, the same acts, the same refusals."""

import getpass
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from core.streams.accounts import AccountRegistered
from gateways.cli.app import COMMANDS, run
from gateways.cli.desk.adjustments import lines_of
from gateways.cli.desk.desk import at_desk
from gateways.http.resources.accounts import list_accounts, register_account
from gateways.settings import load
from gateways.user_error import UserError
from tests.gateways.http.harness import PAYEE, Client, World, settings_of, world
from tests.gateways.http.resources.test_redeliveries import happened
from tests.support.postgres import Database

PERSON = f"operator:{getpass.getuser()}"


class Terminal(NamedTuple):
    """A shell beside a running API over the same database."""

    api: World
    acme: Client
    call: Callable[..., tuple[int, str]]

    def shown(self, *words: str) -> dict[str, Any]:
        """The document of a command that is carried out."""
        code, printed = self.call(*words, "--json")
        assert code == 0, printed
        return dict(json.loads(printed))


@pytest.fixture
def terminal(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Terminal]:
    """A company with ten USDT, a webhook and a payout that waits."""
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", database.owner_url)
    monkeypatch.setenv("COUNTERFOIL_DATA", str(settings_of(tmp_path).data))

    def call(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        code = run(words)
        printed = capsys.readouterr()
        return code, printed.out if code == 0 else printed.err

    with world(database, tmp_path) as api:
        acme = api.company(usdt="10")
        api.operator.patch(f"/v1/accounts/{acme.account_id}", json={"webhook_url": "https://acme.example/hook"})
        acme.made("/v1/payouts", {"to_address": PAYEE, "amount": "1", "client_reference": "withdrawal 7"})
        acme.post("/v1/payouts", json={"to_address": PAYEE, "amount": "100"})
        api.project()
        yield Terminal(api, acme, call)


def test_a_command_s_document_is_the_answer_of_http(terminal: Terminal) -> None:
    """Of every list: the same query, the same fields, the same places to go on."""
    api, acme = terminal.api, terminal.acme
    account = acme.account_id
    for words, client, path in (
        (("accounts", "list", "--limit", "1"), api.operator, "/v1/accounts?limit=1"),
        (("keys", "list", account), api.operator, f"/v1/accounts/{account}/api-keys"),
        (("payouts", "list"), api.operator, "/v1/payouts"),
        (("payouts", "list", account), api.operator, f"/v1/payouts?account_id={account}"),
        (("payouts", "list", "--state", "requested"), api.operator, "/v1/payouts?state=requested"),
        (("payouts", "lanes"), api.operator, "/v1/payout-lanes"),
        (("deposits", "list"), api.operator, "/v1/deposits"),
        (("deposits", "list", "--account", account), api.operator, f"/v1/deposits?account_id={account}"),
        (("find", "withdrawal 7"), api.operator, "/v1/find?q=withdrawal 7"),
        (("find", account), api.operator, f"/v1/find?q={account}"),
        (("webhooks", "list", account), api.operator, f"/v1/webhook-events?account_id={account}"),
        (("refusals", "--account", account), api.operator, f"/v1/refused-commands?account_id={account}"),
        (("trial-balance",), api.operator, "/v1/trial-balance"),
    ):
        shown, answered = terminal.shown(*words), client.shown(path)
        for document in (shown, answered):
            for item in document["data"]:
                item.pop("last_used_at", None)
        assert shown == answered, words


def test_who_acts_is_the_person_at_the_terminal(terminal: Terminal) -> None:
    """In the history and in the log of acts; and what is done is done for HTTP, too."""
    made = terminal.shown("accounts", "add", "Other Ltd", "--webhook-url", "https://other.example/")
    [registered] = [
        it.event
        for it in terminal.api.platform.store.read(0, 1000)
        if isinstance(it.event, AccountRegistered) and it.event.account_id == made["id"]
    ]
    assert registered.actor == PERSON
    key = terminal.shown("keys", "create", made["id"], "--name", "shop", "--permission", "ledger:read")
    terminal.api.project()
    assert terminal.api.client(key["key"]).get("/v1/account").status_code == 200
    terminal.shown("accounts", "suspend", made["id"])
    terminal.shown("keys", "revoke", made["id"], key["id"])
    [payout] = terminal.acme.shown("/v1/payouts?state=requested")["data"]
    assert terminal.shown("payouts", "cancel", payout["id"])["state"] == "cancelled"
    noted = terminal.shown("audit-log", "--limit", "5")["data"]
    acts = ["payout.cancel", "api-key.revoke", "account.change", "api-key.create", "account.register"]
    assert [(it["actor_id"], it["action"]) for it in noted] == [(PERSON, act) for act in acts]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("accounts", "show", "0196b5a0-0000-7000-8000-000000000000"), "There is no such account"),
        (("payouts", "list", "acme"), "'acme' is no account's id: `counterfoil accounts list` shows them"),
        (("accounts", "add", " spaces "), "#/name must not begin or end with a space"),
        (("accounts", "change", "0196b5a0-0000-7000-8000-000000000000"), "say what to change"),
        (("keys", "create", "operator", "--name", "a", "--permission", "ledger:read"), "#/permissions"),
        (("webhooks", "redeliver", "0196b5a0-0000-7000-8000-000000000000"), "name one webhook"),
        (("adjustments", "post", "--reason", "why"), "give a file, or lines"),
        (("adjustments", "post", "--debit", "treasury=5", "--reason", "why"), "'treasury=5' is no line: write BOOK/"),
    ],
)
def test_what_is_refused_is_a_sentence_and_exit_code_2(terminal: Terminal, words: tuple[str, ...], said: str) -> None:
    """Of a refusal the sentence that HTTP has, with the place; of what nobody could carry out how to write it."""
    code, printed = terminal.call(*words)
    assert code == 2
    assert said in printed
    assert printed.startswith("error: ")
    assert printed.count("\n") == 1


def test_an_adjustment_is_seen_in_both_books_before_it_is_posted(terminal: Terminal, tmp_path: Path) -> None:
    """Without --yes nothing is posted; a file that another command wrote is the same as lines."""
    account = terminal.acme.account_id
    debit = ("--debit", "treasury/Hot_Wallet_Asset=2.5", "--debit", f"{account}/System_Hot_Wallet_Asset=2.5")
    credit = ("--credit", "treasury/Custody_Control=2.5", "--credit", f"{account}/User_Liability=2.5")
    words = ("adjustments", "post", *debit, *credit, "--reason", "found on the chain")
    before = terminal.acme.shown("/v1/balances")
    seen = terminal.shown(*words)
    assert seen["posted"] is None
    liability = next(it for it in seen["data"] if it["ledger_account"] == "User_Liability")
    assert (liability["type"], liability["before"], liability["after"]) == ("liability", "8.000000", "10.500000")
    terminal.api.project()
    assert terminal.acme.shown("/v1/balances") == before
    file = tmp_path / "adjustment.json"
    file.write_text(
        json.dumps({"reason": "found on the chain", "postings": lines_of(list(debit[1::2]), list(credit[1::2]))})
    )
    assert terminal.shown("adjustments", "post", str(file), "--yes")["posted"]["reason"] == "found on the chain"
    terminal.api.project()
    held = {it["code"]: it["amount"] for it in terminal.acme.shown("/v1/balances")["data"]}
    assert held["User_Liability"] == "10.500000"
    assert terminal.shown("trial-balance")["balanced"]


def test_everything_is_told_again_page_by_page(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """From an event on, however many pages that are over HTTP."""
    monkeypatch.setattr("gateways.http.resources.redeliveries.EVENTS_MAX", 1)
    happened(terminal.api, terminal.acme, 3)
    told = terminal.shown("webhooks", "redeliver", terminal.acme.account_id, "--after-sequence", "0")
    assert told == {"events": 3, "redelivered": 3}
    due = terminal.shown("webhooks", "list", terminal.acme.account_id)["data"]
    again = terminal.shown("webhooks", "redeliver", terminal.acme.account_id, due[0]["id"])
    assert (again["id"], again["status"]) == (due[0]["id"], "pending")


def test_tables_fit_what_a_person_looks_for(terminal: Terminal) -> None:
    """A row for each, with the client's own reference; and where the next page begins."""
    code, printed = terminal.call("payouts", "list", terminal.acme.account_id)
    assert code == 0
    [title, waiting] = printed.splitlines()
    assert title.split()[:3] == ["payout", "asked", "state"]
    assert "withdrawal 7" in waiting
    terminal.acme.made("/v1/payouts", {"to_address": PAYEE, "amount": "1"})
    terminal.api.project()
    assert (
        terminal.call("payouts", "list", terminal.acme.account_id, "--limit", "1")[1]
        .splitlines()[-1]
        .startswith("there is more: --after ")
    )


def test_a_desk_opens_and_shuts_beside_what_runs(terminal: Terminal) -> None:
    """Twice in one process, and whatever is asked raises what a person can read."""
    settings = load()
    for _ in range(2):
        with at_desk(settings) as desk:
            assert desk.ask(list_accounts, limit=1)["data"]
            with pytest.raises(UserError, match="name"):
                desk.ask(register_account, body={})


@pytest.mark.fast
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_completes_every_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is printed names each command."""
    assert run(["completion", shell]) == 0
    printed = io.StringIO(capsys.readouterr().out).read()
    assert [name for name in COMMANDS if name not in printed] == []

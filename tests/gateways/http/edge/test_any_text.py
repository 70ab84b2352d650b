"""Any text in any parameter of any endpoint: an answer that the document has, and never that something is wrong on our side."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateways.http.reading.event_watch import EventWatch
from tests.gateways.http.harness import DOCUMENT, PAYEE, Client, World

ID: Final = "0196b5a0-0000-7000-8000-000000000000"
GOOD: Final[dict[str, Any]] = {
    "accept_transfers": True,
    "account_id": ID,
    "amount": "1",
    "code": "bob",
    "currency": "USDT",
    "from": "2026-01-01T00:00:00Z",
    "from_ledger_account": "User_Liability",
    "hold": False,
    "ledger_account": "User_Liability",
    "name": "Bob",
    "number": "1",
    "permissions": ["payins:read"],
    "position": "1",
    "reason": "a test",
    "side": "debit",
    "subject": f"payout-{ID}",
    "to_address": PAYEE,
    "to_ledger_account": "bob",
    "type": "liability",
    "until": "2026-02-01T00:00:00Z",
    "view": "balances",
}
"""What the other parameters hold. A path's last part is an id unless it is here, and a difference goes to a position."""
EDGES: Final = [
    *(
        "",
        " ",
        "0",
        "-1",
        "1e3",
        "٣",
        "²",
        "1_0",
        "9" * 18,
        "9" * 19,
        "9" * 200,
        "0x41",
        "null",
        "true",
        "%",
        "%00",
        "\\",
        "'",
    ),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"),
    *("2026-02-30T00:00:00Z", "2026-W01-1T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:60Z", "2026-01-01"),
    *(ID, ID.upper(), "{" + ID + "}", "00000000-0000-0000-0000-000000000000", "operator", "treasury", "Operator"),
    *("41" + "a" * 40, "0x41" + "B" * 40, "41" + "0" * 40, PAYEE, PAYEE.lower(), PAYEE[:-1] + "1", "T" * 34),
    *(
        "AAAAAAAAAAAAAAAAAAAAAA",
        "abc.AAAAAAAAAAAAAAAAAAAAAA",
        "https://[::1",
        "http://x:99999/",
        "\x00",
        "\x7f",
        "\u202e",
    ),
]
HEADERS: Final = (
    "x-api-key",
    "idempotency-key",
    "content-type",
    "content-encoding",
    "prefer",
    "x-request-id",
    "accept",
)


class Place(NamedTuple):
    """Where a text is put."""

    method: str
    template: str
    kind: str
    name: str


def places() -> Iterator[Place]:
    """Every parameter and every field of a body that the document has, and the headers that mean something."""
    for template, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            for parameter in operation.get("parameters", []):
                yield Place(method, template, parameter["in"], parameter["name"])
            if "requestBody" in operation:
                yield from (Place(method, template, "body", name) for name in fields_of(operation))
            if template == "/v1/ledger-accounts":
                yield from (Place(method, template, "header", name) for name in HEADERS)


def fields_of(operation: Any) -> list[str]:
    reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    return list(DOCUMENT["components"]["schemas"][reference].get("properties", {}))


def put(client: Client, place: Place, text: bytes) -> httpx2.Response:
    """The request with the text at its place, and what belongs everywhere else."""
    operation = DOCUMENT["paths"][place.template][place.method]
    path, asked = place.template, []
    for parameter in operation.get("parameters", []):
        name, is_it = parameter["name"], (parameter["in"], parameter["name"]) == (place.kind, place.name)
        value = quote(text, safe="") if is_it else quote(str(GOOD.get(name, ID)))
        if parameter["in"] == "path":
            path = path.replace(f"{{{name}}}", value)
        elif parameter["in"] == "query" and (is_it or parameter["required"]):
            asked.append(f"{name}={value if is_it or name != 'to' else 1}")
    body = {name: GOOD.get(name, "text") for name in (fields_of(operation) if "requestBody" in operation else [])}
    if place.kind == "body":
        body[place.name] = text.decode("utf-8", "replace")
    headers = {place.name: printable(text)} if place.kind == "header" else {}
    options = {"json": body} if "requestBody" in operation else {}
    return client.request(place.method.upper(), f"{path}?{'&'.join(asked)}", headers=headers, **options)


def printable(text: bytes) -> bytes:
    """What a client library sends as a header's value."""
    return bytes(byte for byte in text if byte >= 0x20 and byte != 0x7F).strip() or b"x"


@pytest.fixture(scope="module")
def asking(shared: World) -> Iterator[dict[str, Client]]:
    """A client for what needs the operator, and one for the rest, with everything projected."""
    client = shared.company(usdt="100")
    shared.project()
    with pytest.MonkeyPatch.context() as patched:

        async def nothing(*_: object) -> None:
            """No test is to wait for 30 seconds."""

        patched.setattr(EventWatch, "wait", nothing)
        yield {"operator": shared.operator, "client": client}


TEXTS = st.one_of(st.sampled_from(EDGES).map(str.encode), st.text(max_size=60).map(str.encode), st.binary(max_size=40))


@settings(max_examples=600, suppress_health_check=list(HealthCheck))
@given(place=st.sampled_from(list(places())), text=TEXTS)
def test_any_text_in_any_parameter_is_answered(asking: dict[str, Client], place: Place, text: bytes) -> None:
    """Never a 500; and what is invalid is named with its place."""
    operation = DOCUMENT["paths"][place.template][place.method]
    client = asking["operator" if operation.get("x-permission") == "operator" else "client"]
    answer = put(client, place, text)
    assert answer.status_code < 500 or "addresses_exhausted" in answer.text, f"{place} {text!r}: {answer.text}"
    if answer.headers.get("content-type") == "application/problem+json":
        problem = answer.json()
        assert problem["code"] != "validation_failed" or problem["errors"], answer.text
        assert problem["retryable"] == ("retry-after" in answer.headers)


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("/v1/balances?as_of=0001-01-01T00:00:00%2B14:00", "?as_of"),
        ("/v1/deposits?as_of=9999-12-31T23:59:59-14:00", "?as_of"),
        ("/v1/statements?from=0001-01-01T00:00:00%2B14:00&until=2026-01-01T00:00:00Z", "?from"),
        ("/v1/balances?as_of=2026-W01-1T00:00:00Z", "?as_of"),
        ("/v1/deposits?status=lost", "?status"),
        ("/v1/deposits?address=nothing", "?address"),
        ("/v1/payouts?state=lost", "?state"),
        ("/v1/journal-entries?ledger_account=nobody", "?ledger_account"),
        ("/v1/webhook-events?status=lost", "?status"),
        ("/v1/events?wait=31", "?wait"),
    ],
)
def test_what_cannot_be_is_named_with_its_place(asking: dict[str, Client], path: str, pointer: str) -> None:
    """A time that only its own zone has, a day that is none, a filter for what there is not."""
    refused = asking["client"].get(path)
    assert refused.status_code == 422
    assert [error["pointer"] for error in refused.json()["errors"]] == [pointer]


@pytest.mark.parametrize("path", ["/v1/audit-logs", "/v1/refused-commands", "/v1/audit/diff?from=0&to=1"])
def test_a_filter_by_an_account_that_is_none_is_refused(shared: World, path: str) -> None:
    """An id that is nobody's is a mistake, not an empty list; the operator's own word is none."""
    mark = "&" if "?" in path else "?"
    refused = shared.operator.get(f"{path}{mark}account_id={ID}")
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "?account_id")


def test_ids_are_understood_in_any_case(shared: World) -> None:
    """In a path, in a filter and in a body."""
    acme = shared.company(usdt="10")
    payout = acme.made("/v1/payouts", {"to_address": PAYEE, "amount": "1"})
    shared.project()
    assert acme.shown(f"/v1/payouts/{payout['id'].upper()}")["id"] == payout["id"]
    upper = acme.account_id.upper()
    assert shared.operator.shown(f"/v1/accounts/{upper}")["id"] == acme.account_id
    assert shared.operator.shown(f"/v1/audit-logs?account_id={upper}")["data"]
    assert acme.shown(f"/v1/receipts?subject=payout-{payout['id'].upper()}")["data"]
    acme.made("/v1/ledger-accounts", {"code": "bob", "name": "Bob", "type": "liability"})
    moved = {"from_ledger_account": "User_Liability", "to_ledger_account": "bob", "amount": "1", "to_account_id": upper}
    assert acme.made("/v1/transfers", moved)["to_account_id"] == acme.account_id


def test_an_address_in_hex_is_understood_or_refused_in_a_sentence(shared: World) -> None:
    """A filter takes it as it was shown; a payout does not, since a mistyped digit of it is somebody else."""
    acme = shared.company(usdt="10")
    shared.fill_pool()
    address = acme.made("/v1/payins", {})["address"]
    shared.project()
    for written in (
        address["tron_address_hex"],
        "0x" + address["tron_address_hex"].upper(),
        address["tron_address_base58"],
    ):
        assert acme.shown(f"/v1/deposits?address={written}")["data"] == []
    refused = acme.post("/v1/payouts", json={"to_address": address["tron_address_hex"], "amount": "1"})
    assert refused.json()["code"] == "invalid_address"
    assert "written in hex" in refused.json()["detail"]
    checked = acme.shown(f"/v1/address-checks/{address['tron_address_hex']}")
    assert (checked["valid"], "written in hex" in checked["reason"]) == (False, True)


def test_a_cursor_belongs_to_its_list(shared: World) -> None:
    """Of another list, of another account, or made up: a 422, for operators too."""
    acme, other = shared.company(usdt="10"), shared.company(usdt="10")
    for client in (acme, other):
        for _ in range(2):
            client.made("/v1/payouts", {"to_address": PAYEE, "amount": "1"})
    shared.project()
    cursor = acme.shown("/v1/payouts?limit=1")["next_cursor"]
    assert len(acme.shown(f"/v1/payouts?after={cursor}")["data"]) == 1
    audited = shared.operator.shown("/v1/audit-logs?limit=1")["next_cursor"]
    assert shared.operator.shown(f"/v1/audit-logs?limit=1&after={quote(audited)}")["data"]
    accounts = shared.operator.shown("/v1/accounts?limit=1")["next_cursor"]
    strange = [
        (acme, f"/v1/deposits?after={cursor}"),
        (acme, f"/v1/journal-entries?after={cursor}"),
        (acme, f"/v1/webhook-events?after={ID}"),
        (other, f"/v1/payouts?after={cursor}"),
        (acme, f"/v1/payouts?after={cursor[:-4]}{'BBBB' if cursor.endswith('AAAA') else 'AAAA'}"),
        (shared.operator, f"/v1/sweeps?after={accounts}"),
        (shared.operator, "/v1/accounts?after=5"),
        (shared.operator, f"/v1/audit-logs?after={'9' * 190}"),
        (shared.operator, f"/v1/refused-commands?after={quote(audited)}"),
    ]
    for client, path in strange:
        refused = client.get(path)
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "?after"), path

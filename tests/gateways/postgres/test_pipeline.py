"""Statements of one round trip: answers in order, the first refusal told, and no connection left in between."""

from collections.abc import Callable, Iterator

import psycopg
import pytest

from gateways.postgres.pipeline import Pipeline, Statement
from projections.engine.binary import bigint, bigints_of, text_array, values_of
from tests.support.postgres import Database

DOUBLE = Statement("double", "SELECT 2 * $1::bigint", 1)
MANY = Statement("many", "SELECT array_agg(n), $2::text FROM generate_series(1, $1::bigint) n", 2)
NAMES = Statement("names", "SELECT $1::text[], cardinality($1::text[])", 1)


def sent_at_once(conn: psycopg.Connection, work: Callable[[Pipeline], object]) -> None:
    with Pipeline(conn) as pipeline:
        work(pipeline)


@pytest.fixture
def conn(database: Database) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database.owner_url, autocommit=True) as opened:
        yield opened


def test_answers_come_in_the_order_of_their_statements(conn: psycopg.Connection) -> None:
    """Prepared at the first use and not again; commands without parameters between them."""
    for _ in range(3):
        with Pipeline(conn) as pipeline:
            pipeline.command(b"BEGIN")
            for number in (-4, 0, 2**40):
                pipeline.send(DOUBLE, bigint(number))
            pipeline.command(b"COMMIT")
        _, *doubled, _ = pipeline.answers
        assert [int.from_bytes(each.get_value(0, 0) or b"", "big", signed=True) for each in doubled] == [-8, 0, 2**41]
    [(times,)] = conn.execute("SELECT count(*) FROM pg_prepared_statements WHERE name = 'double'").fetchall()
    assert times == 1
    assert conn.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def test_more_than_any_socket_holds_goes_both_ways(conn: psycopg.Connection) -> None:
    """Megabytes of parameters while megabytes of answers wait: neither side waits for the other for ever."""
    text = b"x" * 300_000
    with Pipeline(conn) as pipeline:
        for _ in range(20):
            pipeline.send(MANY, bigint(40_000), text)
    for answer in pipeline.answers:
        assert bigints_of(answer.get_value(0, 0)) == tuple(range(1, 40_001))
        assert answer.get_value(0, 1) == text


def test_texts_come_back_as_they_were(conn: psycopg.Connection) -> None:
    """None of them, empty ones, any characters."""
    for names in ([], [""], ["a", "", "ü€😀", "'\\\"{},NULL"]):
        with Pipeline(conn) as pipeline:
            pipeline.send(NAMES, text_array(map(str.encode, names)))
        assert [each.decode() for each in values_of(pipeline.answers[0].get_value(0, 0))] == names
    assert values_of(None) == []
    assert bigints_of(None) == []


def test_the_first_refusal_is_raised_and_the_connection_closed(conn: psycopg.Connection) -> None:
    """As psycopg's own exception of its kind; what stood behind it was not done."""
    conn.execute("CREATE TEMP TABLE kept (n bigint PRIMARY KEY)")
    insert = Statement("insert", "INSERT INTO kept VALUES ($1::bigint)", 1)

    def thrice(pipeline: Pipeline) -> None:
        for number in (1, 1, 2):
            pipeline.send(insert, bigint(number))
        pipeline.command(b"SELECT 1 / 0")

    with pytest.raises(psycopg.errors.UniqueViolation, match="kept_pkey"):
        sent_at_once(conn, thrice)
    assert conn.closed


def test_a_defect_in_the_block_closes_the_connection(conn: psycopg.Connection) -> None:
    """What was sent is not waited for, and nobody gets the connection after it."""
    with pytest.raises(ZeroDivisionError):
        sent_at_once(conn, lambda pipeline: (pipeline.command(b"BEGIN"), 1 // 0))
    assert conn.closed


def test_a_killed_backend_is_an_operational_error(conn: psycopg.Connection, database: Database) -> None:
    """Before anything was answered, and in the middle of an pipeline."""
    with psycopg.connect(database.owner_url, autocommit=True) as killer:
        killer.execute("SELECT pg_terminate_backend(%s)", (conn.info.backend_pid,))
    with pytest.raises(psycopg.OperationalError):
        sent_at_once(conn, lambda pipeline: (pipeline.command(b"SELECT 1"), pipeline.command(b"SELECT pg_sleep(5)")))
    assert conn.closed

"""What comes from outside is waited for; what our own bytes cause is a defect."""

import psycopg
import pytest
from psycopg import errors

from core.ports.unavailable import Unavailable
from projections.engine.outages import is_outage, reachable

pytestmark = pytest.mark.fast

OUTSIDE = [
    "08006 connection_failure",
    "25006 read_only_sql_transaction",
    "25P03 idle_in_transaction_session_timeout",
    "25P04 transaction_timeout",
    "28P01 invalid_password",
    "3D000 invalid_catalog_name",
    "40001 serialization_failure",
    "40P01 deadlock_detected",
    "42501 insufficient_privilege",
    "53100 disk_full",
    "53200 out_of_memory",
    "53300 too_many_connections",
    "55P03 lock_not_available",
    "57014 query_canceled",
    "57P01 admin_shutdown",
    "57P02 crash_shutdown",
    "57P03 cannot_connect_now",
    "57P05 idle_session_timeout",
    "58030 io_error",
    "F0000 config_file_error",
    "XX000 internal_error",
    "XX001 data_corrupted",
    "99999 nobody_knows",
]
OURS = [
    "22003 numeric_value_out_of_range",
    "22021 character_not_in_repertoire",
    "22P05 untranslatable_character",
    "23505 unique_violation",
    "23514 check_violation",
    "42601 syntax_error",
    "42P01 undefined_table",
    "54000 program_limit_exceeded",
    "P0001 raise_exception",
]


def error_of(state: str) -> psycopg.Error:
    try:
        return errors.lookup(state)("said")
    except KeyError:
        error = psycopg.DatabaseError("said")
        error.sqlstate = state
        return error


@pytest.mark.parametrize("state", OUTSIDE)
def test_what_comes_from_outside_is_waited_for(state: str) -> None:
    """Shut, read-only, full, busy, unknown: the same is tried again later (FAILURES 46)."""
    with pytest.raises(Unavailable, match="the books cannot be reached"), reachable("the books"):
        raise error_of(state[:5])


@pytest.mark.parametrize("state", OURS)
def test_what_our_bytes_cause_is_a_defect(state: str) -> None:
    """Trying again would change nothing."""
    with pytest.raises(psycopg.Error), reachable("the books"):
        raise error_of(state[:5])


def test_every_state_that_the_driver_knows_is_one_or_the_other() -> None:
    """Of the classes of errors that a statement can bring about, no other is taken for ours."""
    known = {each.sqlstate: each for each in vars(errors).values() if isinstance(getattr(each, "sqlstate", None), str)}
    ours = {state[:2] for state in known if not is_outage(error_of(state))}
    assert ours <= {"0A", "20", "21", "22", "23", "26", "2F", "34", "38", "39", "42", "44", "54", "P0"}
    assert len(known) > 200


def test_a_connection_that_is_gone_has_no_state() -> None:
    """The driver's own errors: a lost connection is outside, a value that cannot be sent is ours."""
    assert is_outage(psycopg.OperationalError("the connection is lost"))
    assert is_outage(psycopg.InterfaceError("the connection is closed"))
    assert not is_outage(psycopg.ProgrammingError("cannot adapt"))

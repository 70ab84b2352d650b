"""What was signed of late on one machine: beside the keystore a small file a wallet, written whole, one writer at a time."""

from pathlib import Path

import msgspec

from core.ports.spent_totals import Spent, SpentMoved
from core.ports.unavailable import Unavailable
from gateways.private_file import alone, replace_private


class FileSpentTotals:
    """The port `SpentTotals`: <folder>/spent-<wallet>.json."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, wallet: str) -> Spent:
        path = self._path(wallet)
        try:
            return msgspec.json.decode(path.read_bytes(), type=Spent)
        except FileNotFoundError:
            return Spent()
        except msgspec.DecodeError as error:
            raise Unavailable(
                f"{path}, which says how much was signed, is damaged: nothing is signed until it is put right, or moved"
                " away (the history says it, too)"
            ) from error
        except OSError as error:
            raise Unavailable(f"{path}, which says how much was signed, cannot be read: {error}") from error

    def save(self, wallet: str, spent: Spent) -> None:
        try:
            with alone(self._folder / f"spent-{wallet}.lock"):
                there = self.load(wallet)
                if there == spent:
                    return
                if spent.version != there.version + 1:
                    raise SpentMoved
                replace_private(self._path(wallet), msgspec.json.encode(spent))
        except OSError as error:
            raise Unavailable(f"how much was signed cannot be written to {self._path(wallet)}: {error}") from error

    def _path(self, wallet: str) -> Path:
        return self._folder / f"spent-{wallet}.json"

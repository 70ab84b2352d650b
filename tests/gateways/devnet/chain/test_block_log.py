"""A kept chain survives whatever ends its process."""

import errno
from pathlib import Path

import pytest

from gateways.devnet.chain.block import seal
from gateways.devnet.chain.block_log import UnusableData
from tests.gateways.devnet.world import STRANGER, TRX, Devnet

pytestmark = pytest.mark.fast


def begun(folder: Path) -> Devnet:
    """A kept chain with payments of both kinds, closed."""
    devnet = Devnet(data_dir=folder)
    devnet.send_trx(devnet.alice, STRANGER, TRX)
    devnet.send_call(devnet.alice, "transfer(address,uint256)", STRANGER.evm, 7)
    devnet.node.close()
    return devnet


def test_restart_goes_on(kept: Path) -> None:
    """Opened again, the chain has the same blocks, solid height, balances and receipts, and mines on."""
    before = begun(kept)
    after = Devnet(data_dir=kept)
    assert after.chain.blocks == before.chain.blocks
    assert after.chain.solid == before.chain.solid
    assert (after.trx(STRANGER), after.usdt(STRANGER)) == (TRX, 7)
    assert after.node.mine().parent_id == before.chain.head.block_id


def test_genesis_is_the_folders_own(kept: Path, tmp_path: Path) -> None:
    """A folder keeps its genesis over restarts, and two folders have two."""
    first = begun(kept).chain.blocks[0].block_id
    assert Devnet(data_dir=kept).chain.blocks[0].block_id == first
    assert Devnet(data_dir=tmp_path / "other").chain.blocks[0].block_id != first


@pytest.mark.parametrize("torn_bytes", [1, 4, 9, 100])
def test_torn_end_is_cut(kept: Path, torn_bytes: int) -> None:
    """A block whose writing was cut short never was; the chain goes on from the one before."""
    before = begun(kept)
    path = kept / "blocks.log"
    data = path.read_bytes()
    path.write_bytes(data[:-torn_bytes])
    after = Devnet(data_dir=kept)
    assert after.chain.blocks == before.chain.blocks[:-1]
    assert after.usdt(STRANGER) == 0
    after.node.mine()
    after.node.close()
    assert Devnet(data_dir=kept).chain.head == after.chain.head


def test_torn_beginning_begins_anew(kept: Path) -> None:
    """A process killed before its first frame was whole leaves a folder that a new chain begins in."""
    kept.mkdir()
    (kept / "blocks.log").write_bytes(b"\x20\x00")
    assert Devnet(data_dir=kept).chain.head.number == 28


def test_block_is_on_disk_before_it_is_told(kept: Path) -> None:
    """When mine returns, the block's bytes are in the file."""
    devnet = Devnet(data_dir=kept)
    block = devnet.node.mine()
    assert seal(block).witness_signature in (kept / "blocks.log").read_bytes()


def test_folder_has_one_user(kept: Path) -> None:
    """A second devnet on the same folder is refused with a sentence that says what to do."""
    first = Devnet(data_dir=kept)
    with pytest.raises(UnusableData, match="in use by another devnet: stop it, or name another --data folder"):
        Devnet(data_dir=kept)
    first.node.close()


def test_foreign_file_is_refused(kept: Path) -> None:
    """Blocks that the kept beginning does not lead to are refused, not overwritten."""
    begun(kept)
    path = kept / "blocks.log"
    data = path.read_bytes()
    other = kept.parent / "other"
    begun(other)
    foreign = (other / "blocks.log").read_bytes()
    first_frame = 8 + int.from_bytes(data[:4], "little")
    mixed = data[:first_frame] + foreign[8 + int.from_bytes(foreign[:4], "little") :]
    path.write_bytes(mixed)
    with pytest.raises(UnusableData, match="cannot repeat"):
        Devnet(data_dir=kept)
    assert path.read_bytes() == mixed


def test_full_disk_changes_nothing(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block that cannot be written whole is not in the chain; when there is room again the chain goes on."""
    devnet = Devnet(data_dir=kept)
    before = devnet.chain.head
    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", _no_room)
        with pytest.raises(OSError, match="No space"):
            devnet.node.mine()
    assert devnet.chain.head == before
    devnet.node.mine()
    devnet.node.close()
    assert Devnet(data_dir=kept).chain.head == devnet.chain.head


def _no_room(_: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")

"""How much memory a process needs for receipts by gRPC, whatever a block's strangers made them weigh: less than 64 MB."""

import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from core.tron.protobuf import write_varint
from tests.gateways.tron.grpc_server import Asked, serving_grpc
from tests.gateways.tron.test_large_answers import MIB, heavy_block, raw_server
from tests.journeys.conftest import ROOT
from tests.support.patience import HANG_S

READER = """
import sys
from pathlib import Path
from gateways.tron.grpc_channel import GrpcChannel
from gateways.tron.grpc_node import FULL, SOLID, GrpcNode
from tests.support.chain import USDT

def kept(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))

grpc, http = sys.argv[1:]
node = GrpcNode(http, full=GrpcChannel(grpc), solidity=GrpcChannel(grpc), timeout_s=60, token=USDT.evm)
node._of_this_network |= {FULL, SOLID}
node.receipts(1)
Path("/proc/self/clear_refs").write_text("5")
before = kept("VmRSS")
receipts = node.solid_receipts(7)
print(len(receipts), sum(len(receipt.logs) for receipt in receipts), kept("VmHWM") - before)
"""


def weighing(size: int) -> bytes:
    """Receipts of about so many bytes by gRPC: what contracts return, one receipt a megabyte."""
    returned = bytearray(b"\x0a\x20" + bytes(32) + b"\x2a")
    write_varint(returned, MIB)
    returned += bytes(MIB)
    each = bytearray(b"\x0a")
    write_varint(each, len(returned))
    return bytes(each + returned) * (size // MIB)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="reads how much memory was needed from /proc")
@pytest.mark.parametrize(("mebibytes", "receipts"), [(15, 15), (100, 28)], ids=["whole", "over HTTP"])
def test_receipts_by_grpc_are_read_with_less_than_64_megabytes(mebibytes: int, receipts: int) -> None:
    """As many as one message may weigh are read whole; a hundred are cut off, and read in pieces over HTTP (FAILURES 90)."""
    heavy = weighing(mebibytes * MIB)

    def told(asked: Asked) -> bytes:
        return heavy if "Solidity" in asked.method else b""

    over_http = raw_server(heavy_block) if mebibytes > 16 else nullcontext("http://127.0.0.1:9")
    with serving_grpc(told) as server, over_http as http:
        done = subprocess.run(
            [sys.executable, "-c", READER, server.url, http],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
            timeout=HANG_S,
        )
    assert done.returncode == 0, done.stderr
    found, _, peak = (int(word) for word in done.stdout.split())
    assert found == receipts
    assert peak < 64 * MIB

"""The network: parameters, prices, producers, the node itself."""

from gateways.devnet.http import rendering
from gateways.devnet.http.ask import Answer, Ask
from gateways.devnet.state import committee


def get_chain_parameters(ask: Ask) -> Answer:
    parameters = ask.parameters.items()
    return {"chainParameter": [{"key": key, **({"value": value} if value else {})} for key, value in parameters]}


def get_energy_prices(ask: Ask) -> Answer:
    return {"prices": committee.prices(ask.state, "energy")}


def get_bandwidth_prices(ask: Ask) -> Answer:
    return {"prices": committee.prices(ask.state, "bandwidth")}


def get_memo_fee(ask: Ask) -> Answer:
    return {"prices": committee.prices(ask.state, "memo")}


def get_node_info(ask: Ask) -> Answer:
    head, solid = ask.head, ask.solid_head
    return {
        "beginSyncNum": solid.number,
        "block": f"Num:{head.number},ID:{head.block_id}",
        "solidityBlock": f"Num:{solid.number},ID:{solid.block_id}",
        "currentConnectCount": 0,
        "activeConnectCount": 0,
        "passiveConnectCount": 0,
        "totalFlow": 0,
        "peerList": [],
        "configNodeInfo": {"codeVersion": "4.8.1", "p2pVersion": "0", "supportConstant": True, "dbVersion": 2},
        "machineInfo": {},
        "cheatWitnessInfoMap": {},
    }


def list_witnesses(ask: Ask) -> Answer:
    witnesses = []
    for key in ask.chain.genesis.producers:
        latest = ask.state.get(("produced", key.address)) or 0
        address = rendering.hex_or_base58(key.address, visible=ask.visible)
        witnesses.append(rendering.without_defaults({"address": address, "latestBlockNum": latest, "isJobs": True}))
    return {"witnesses": witnesses}


def get_next_maintenance_time(ask: Ask) -> Answer:
    return {"num": committee.next_maintenance_ms(ask.state)}


def nothing(_: Ask) -> Answer:
    """What asks for a thing this devnet has none of."""
    return {}

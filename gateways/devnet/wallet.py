"""java-tron's paths: which call answers at /wallet and which at /walletsolidity."""

from collections.abc import Callable, Mapping
from typing import Final

from gateways.devnet.ask import Answer, Ask
from gateways.devnet.calls import accounts, blocks, building, contracts, network, transactions

Handler = Callable[[Ask], Answer]


_BOTH: Final[Mapping[str, Handler]] = {
    "getnowblock": get_now_block,
    "getblock": get_block,
    "getblockbynum": get_block_by_num,
    "getblockbyid": get_block_by_id,
    "getblockbylimitnext": get_block_by_limit_next,
    "getblockbylatestnum": get_block_by_latest_num,
    "gettransactioncountbyblocknum": get_transaction_count_by_block_num,
    "gettransactionbyid": get_transaction_by_id,
    "gettransactioninfobyid": get_transaction_info_by_id,
    "gettransactioninfobyblocknum": get_transaction_info_by_block_num,
    "getaccount": get_account,
    "triggerconstantcontract": trigger_constant_contract,
    "estimateenergy": estimate_energy,
    "getenergyprices": get_energy_prices,
    "getbandwidthprices": get_bandwidth_prices,
    "getdelegatedresourcev2": nothing,
    "getdelegatedresourceaccountindexv2": nothing,
    "getcandelegatedmaxsize": nothing,
    "getcanwithdrawunfreezeamount": nothing,
    "getassetissuelist": nothing,
    "listwitnesses": list_witnesses,
    "getnodeinfo": get_node_info,
}

SOLIDITY: Final = _BOTH

WALLET: Final[Mapping[str, Handler]] = {
    **_BOTH,
    "broadcasttransaction": broadcast_transaction,
    "broadcasthex": broadcast_hex,
    "createtransaction": build(1),
    "createaccount": build(0),
    "transferasset": build(2),
    "accountpermissionupdate": build(46),
    "freezebalancev2": build(54),
    "unfreezebalancev2": build(55),
    "withdrawexpireunfreeze": build(56),
    "delegateresource": build(57),
    "undelegateresource": build(58),
    "cancelallunfreezev2": build(59),
    "triggersmartcontract": trigger_smart_contract,
    "getsignweight": get_sign_weight,
    "getaccountresource": get_account_resource,
    "getaccountnet": get_account_net,
    "getcontract": get_contract,
    "getcontractinfo": get_contract_info,
    "getchainparameters": get_chain_parameters,
    "getmemofee": get_memo_fee,
    "getpendingsize": get_pending_size,
    "gettransactionfrompending": get_transaction_from_pending,
    "gettransactionlistfrompending": get_transaction_list_from_pending,
    "getnextmaintenancetime": get_next_maintenance_time,
    "validateaddress": validate_address,
    "listnodes": nothing,
}

"""java-tron's paths: which call answers at /wallet and which at /walletsolidity."""

from collections.abc import Callable, Mapping
from typing import Final

from gateways.devnet.http.ask import Answer, Ask
from gateways.devnet.http.calls import accounts, blocks, building, contracts, network, stake, transactions

Handler = Callable[[Ask], Answer]


_BOTH: Final[Mapping[str, Handler]] = {
    "getnowblock": blocks.get_now_block,
    "getblock": blocks.get_block,
    "getblockbynum": blocks.get_block_by_num,
    "getblockbyid": blocks.get_block_by_id,
    "getblockbylimitnext": blocks.get_block_by_limit_next,
    "getblockbylatestnum": blocks.get_block_by_latest_num,
    "gettransactioncountbyblocknum": blocks.get_transaction_count_by_block_num,
    "gettransactionbyid": transactions.get_transaction_by_id,
    "gettransactioninfobyid": transactions.get_transaction_info_by_id,
    "gettransactioninfobyblocknum": transactions.get_transaction_info_by_block_num,
    "getaccount": accounts.get_account,
    "triggerconstantcontract": contracts.trigger_constant_contract,
    "estimateenergy": contracts.estimate_energy,
    "getenergyprices": network.get_energy_prices,
    "getbandwidthprices": network.get_bandwidth_prices,
    "getdelegatedresourcev2": stake.get_delegated_resource,
    "getdelegatedresourceaccountindexv2": stake.get_delegation_index,
    "getcandelegatedmaxsize": stake.get_can_delegated_max_size,
    "getcanwithdrawunfreezeamount": stake.get_can_withdraw_unfreeze_amount,
    "getavailableunfreezecount": stake.get_available_unfreeze_count,
    "getassetissuelist": network.nothing,
    "listwitnesses": network.list_witnesses,
    "getnodeinfo": network.get_node_info,
}

SOLIDITY: Final = _BOTH

WALLET: Final[Mapping[str, Handler]] = {
    **_BOTH,
    "broadcasttransaction": transactions.broadcast_transaction,
    "broadcasthex": transactions.broadcast_hex,
    **{name: building.build(kind) for name, kind in building.BUILT.items()},
    "deploycontract": building.deploy_contract,
    "triggersmartcontract": contracts.trigger_smart_contract,
    "getsignweight": building.get_sign_weight,
    "getapprovedlist": building.get_approved_list,
    "getReward": accounts.get_reward,
    "getBrokerage": accounts.get_brokerage,
    "getaccountresource": accounts.get_account_resource,
    "getaccountnet": accounts.get_account_net,
    "getcontract": contracts.get_contract,
    "getcontractinfo": contracts.get_contract_info,
    "getchainparameters": network.get_chain_parameters,
    "getmemofee": network.get_memo_fee,
    "getpendingsize": transactions.get_pending_size,
    "gettransactionfrompending": transactions.get_transaction_from_pending,
    "gettransactionlistfrompending": transactions.get_transaction_list_from_pending,
    "getnextmaintenancetime": network.get_next_maintenance_time,
    "validateaddress": accounts.validate_address,
    "listnodes": network.nothing,
}

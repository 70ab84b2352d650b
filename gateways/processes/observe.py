"""The process `observe`: follows the chain and reports transfers to our addresses."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from core.streams.accepted_blocks import Acceptance, accepted_stream
from gateways.aws.names import FOR_FACTS, FOR_NODE
from gateways.postgres.roles import OBSERVER
from gateways.processes.process import DATABASE, NODE, Access, Deployment, Process
from gateways.queues import DEPOSIT_EVENTS
from gateways.steps import Step
from gateways.tron.node_watch import NodeWatch
from gateways.wiring.on_postgres import host_name
from gateways.wiring.opened import check_chain, refuse_one_node
from gateways.wiring.platform import Platform

if TYPE_CHECKING:
    from scanners.observer import Observer
    from scanners.producers import Producers


def steps(platform: Platform) -> Sequence[Step]:
    refuse_one_node(platform.settings)
    check_chain(platform)
    watch = NodeWatch(
        platform.node.roster,
        platform.cursors,
        platform.node_board,
        platform.clock,
        lag_s_max=platform.settings.lag_s_max,
        alarm=platform.alarm,
    )
    everywhere = [platform.node.on_one(observer(platform).step), watch.step]
    if platform.settings.network == "devnet":  # whose time is what somebody says it is
        return everywhere
    from scanners.chain_clock import ChainClock

    return [*everywhere, ChainClock(platform.node.head, platform.clock, platform.alarm, host_name(OBSERVER)).step]


def observer(platform: Platform) -> "Observer":
    """The observer of this platform, for its process and for `counterfoil scan`."""
    from scanners.observer import Observer

    settings = platform.settings
    store = platform.store

    def accepted(number: int) -> str:
        stream, acceptance = accepted_stream(number), Acceptance()
        for recorded in store.histories([stream]).get(stream, ()):
            acceptance = acceptance.evolve(recorded.event)
        return acceptance.block_id

    return Observer(
        platform.node,
        platform.queues[DEPOSIT_EVENTS],
        platform.cursors,
        platform.pool,
        platform.solid_log,
        platform.outstanding,
        usdt=settings.usdt.evm,
        key=platform.secrets.deposit_fact_keys,
        alarm=platform.alarm,
        announce_min_minor=settings.payin_min_minor,
        producers=producers(platform),
        opinion=platform.node,
        accepted=accepted,
        lone=settings.is_lone,
    )


def producers(platform: Platform) -> "Producers":
    """Who may sign blocks: as two nodes state it or one that is trusted, or of one node what was pinned."""
    from scanners.pinned_producers import PinnedProducers
    from scanners.producers import Producers

    if platform.settings.is_lone:
        return Producers(PinnedProducers(platform.node, platform.cursors, platform.alarm))
    return Producers(platform.node)


PROCESS: Final = Process(
    "observe",
    "Follows the chain and reports transfers to our addresses.",
    OBSERVER,
    needs=(*DATABASE, *NODE, "TRON_LAG_MAX_S"),
    access=Access(sends=(DEPOSIT_EVENTS,), secrets=(FOR_FACTS, FOR_NODE), logins=(OBSERVER,)),
    deployment=Deployment(reaches=("nodes",)),
    steps=steps,
    public_idle_s=1.5,
)

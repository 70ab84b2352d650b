"""Events -> tables: each view folds the history into rows that queries read, and can be rebuilt from nothing."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from projections.accounts import AccountsView
from projections.balances import BalancesView
from projections.deposits import DepositsView
from projections.holdings import HoldingsView
from projections.journal import JournalView
from projections.notifications import NotificationsView
from projections.payins import PayinsView
from projections.payouts import PayoutsView
from projections.sweeps import SweepsView
from projections.view import View
from projections.wallets import WalletsView

VIEWS: Final[Mapping[str, View]] = MappingProxyType(
    {
        view.name: view
        for view in (
            AccountsView(),
            BalancesView(),
            DepositsView(),
            HoldingsView(),
            JournalView(),
            NotificationsView(),
            PayinsView(),
            PayoutsView(),
            SweepsView(),
            WalletsView(),
        )
    }
)
"""Every view by its name. A new one is added here and in a migration: its tables, its row in projection_tracking."""

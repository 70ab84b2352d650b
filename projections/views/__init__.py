"""Events -> tables: each view folds the history into rows that queries read, and can be rebuilt from nothing."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from projections.engine.view import View
from projections.views.accounts import AccountsView
from projections.views.balances import BalancesView
from projections.views.deposits import DepositsView
from projections.views.holdings import HoldingsView
from projections.views.journal import JournalView
from projections.views.notifications import NotificationsView
from projections.views.payins import PayinsView
from projections.views.payouts import PayoutsView
from projections.views.sweeps import SweepsView
from projections.views.wallets import WalletsView

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

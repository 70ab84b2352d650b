"""Every view that there is, held to what every view must be."""

from tests.projections.lint import ViewLint


class TestEveryView(ViewLint):
    """Live = rebuilt, any split, twice is once, no clock and no door, tables as said."""

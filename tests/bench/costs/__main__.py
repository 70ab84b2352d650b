"""`python -m tests.bench.costs`: the table alone."""

from tests.bench.costs.played import play
from tests.bench.costs.table import lines

if __name__ == "__main__":
    print("\n".join(lines(play())))

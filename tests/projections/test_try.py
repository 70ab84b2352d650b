from projections import VIEWS
from projections.projector import Projector
from tests.support.history import append_history

def test_a(ledger, store, tracking):
    head = append_history(ledger)
    for v in VIEWS.values():
        p = Projector(v, store, tracking, batch_events_max=7)
        while p.step(): pass
    with tracking.connection() as c:
        for v in VIEWS.values():
            for t in v.tables:
                print("==", t)
                for r in c.execute(f"select t::text from {t} t"): print(r[0])
    print(tracking.bookmarks(), head)
    assert 0

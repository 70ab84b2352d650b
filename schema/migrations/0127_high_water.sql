-- What the signers hold against this store, and what they wait for, as each of them saw it last (signers/fence.py, caught_up.py). No
-- part of the history: the mark itself lies with the keys.
CREATE TABLE store_watch (
    process    text        PRIMARY KEY,
    position   bigint      NOT NULL CHECK (position >= 0),
    waits_for  text        NOT NULL,
    seen_at    timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN store_watch.position IS 'Of the high-water mark';
COMMENT ON COLUMN store_watch.waits_for IS 'What is to be read of the chain before anything is signed; empty once it is';
GRANT SELECT, INSERT, UPDATE ON store_watch TO counterfoil_signer;
GRANT SELECT ON store_watch TO counterfoil_reader;

-- A signer holds its own store against the archive of checkpoints, and waits until what was seen of the chain is recorded.
GRANT SELECT (number, note) ON checkpoints TO counterfoil_signer;
GRANT SELECT ON outstanding_reports TO counterfoil_signer;

-- Each Tron node as the process `observe` saw it last (core/ports/node_states.py): how far it has come, how far back it reaches, and
-- what is wrong with it. No part of the history.
CREATE TABLE node_states (
    place    integer     PRIMARY KEY CHECK (place > 0),
    host     text        NOT NULL,
    head     bigint,
    solid    bigint,
    lag_s    bigint,
    lowest   bigint,
    trouble  text        NOT NULL,
    sentence text        NOT NULL,
    seen_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN node_states.host IS 'Its address without what may be secret in it: /readyz shows it to whoever asks';
GRANT SELECT, INSERT, UPDATE, DELETE ON node_states TO counterfoil_observer;
GRANT SELECT ON node_states TO counterfoil_reader;

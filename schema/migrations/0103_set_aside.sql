-- Events that nobody can read (`view` is empty then), or that one view cannot fold. Projectors add and settle them in the
-- transaction that moves their bookmark, from the history alone.
CREATE TABLE set_aside_events (
    "position"     bigint NOT NULL,
    view           text   NOT NULL,
    stream         text   NOT NULL,
    version        bigint NOT NULL,
    topic          text   NOT NULL,
    accounts       text[] NOT NULL,
    reason         text   NOT NULL,
    found_at       timestamptz NOT NULL DEFAULT now(),
    settled_at     timestamptz,
    settled_by     text,
    settled_reason text,
    PRIMARY KEY ("position", view)
);
COMMENT ON TABLE set_aside_events IS 'What the views leave out, why, whose payouts are frozen for it, and how it was settled';
CREATE INDEX set_aside_events_waiting ON set_aside_events ("position") WHERE settled_at IS NULL;

GRANT SELECT, INSERT, UPDATE ON set_aside_events TO counterfoil_projector;
GRANT SELECT ON set_aside_events TO counterfoil_reader, counterfoil_recorder, counterfoil_api;

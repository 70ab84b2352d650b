-- How long requests took a moment ago, told by each process that serves them, so that a rebuild can see that clients feel it.
CREATE UNLOGGED TABLE foreground (
    process text        PRIMARY KEY,
    told_at timestamptz NOT NULL,
    p95_ms  float8      NOT NULL
) WITH (fillfactor = 50);
GRANT SELECT, INSERT, UPDATE, DELETE ON foreground TO counterfoil_api;
GRANT SELECT ON foreground TO counterfoil_projector, counterfoil_reader;

-- compatible_from: 0150
-- What `reconcile` found, each time that it ran by itself or by hand. No part of the history; the newest hundred are kept.
CREATE TABLE reconciliations (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    began_at    timestamptz NOT NULL,
    ended_at    timestamptz NOT NULL DEFAULT now(),
    by          text        NOT NULL,
    holds       boolean     NOT NULL,
    "position"  bigint      NOT NULL,
    block       bigint,
    block_age_s bigint,
    notes       text        NOT NULL DEFAULT '',
    differences jsonb       NOT NULL
);
COMMENT ON COLUMN reconciliations.block IS 'The lowest solid block at which the chain was asked; NULL where it could not be';
COMMENT ON COLUMN reconciliations.block_age_s IS 'How old that block was then';

-- One door in, and none to change what was found (I14).
CREATE FUNCTION note_reconciliation(began timestamptz, who text, held boolean, at bigint, height bigint, age_s bigint, said text,
                                    apart jsonb) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp SET lock_timeout = '2s' AS $$
BEGIN
    INSERT INTO reconciliations (began_at, by, holds, "position", block, block_age_s, notes, differences)
    VALUES (began, left(who, 200), held, at, height, age_s, left(said, 1000), apart);
    DELETE FROM reconciliations WHERE id <= (SELECT max(id) - 100 FROM reconciliations);
END $$;
REVOKE ALL ON FUNCTION note_reconciliation(timestamptz, text, boolean, bigint, bigint, bigint, text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION note_reconciliation(timestamptz, text, boolean, bigint, bigint, bigint, text, jsonb)
   TO counterfoil_observer, counterfoil_writer;
GRANT SELECT ON reconciliations TO counterfoil_reader, counterfoil_api;

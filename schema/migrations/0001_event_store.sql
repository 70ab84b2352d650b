-- The history and what stands beside it on the write side. Runs as counterfoil_owner, which cannot log in.
-- Column names of `events` are those of the eventsourcing library; the view `history` has the auditor's words.

CREATE TABLE events (
    originator_id      text   NOT NULL,
    originator_version bigint NOT NULL CHECK (originator_version > 0),
    topic              text   NOT NULL,
    state              text   NOT NULL,
    notification_id    bigint NOT NULL CHECK (notification_id > 0),
    PRIMARY KEY (originator_id, originator_version)
);
CREATE UNIQUE INDEX events_position ON events (notification_id);
COMMENT ON TABLE events IS 'Every event there ever was: stream, version within it, topic/version, JSON, position (I2, I3)';

CREATE VIEW history AS
    SELECT notification_id AS "position", originator_id AS stream, originator_version AS version, topic,
           (state::jsonb ->> 'occurred_at')::timestamptz AS occurred_at, state::jsonb ->> 'actor' AS actor,
           state::jsonb AS event
      FROM events
     ORDER BY notification_id;

-- One row per append: the positions it covers and the hash that chains them to everything before (I3).
CREATE TABLE seals (
    batch_id       uuid   PRIMARY KEY,
    first_position bigint NOT NULL UNIQUE CHECK (first_position > 0),
    last_position  bigint NOT NULL UNIQUE CHECK (last_position >= first_position),
    previous_hash  bytea  NOT NULL CHECK (length(previous_hash) = 32),
    hash           bytea  NOT NULL CHECK (length(hash) = 32),
    sealed_at      timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Balances of clients' liability accounts, moved in the same transaction as the events they follow from (I5).
CREATE TABLE guard (
    ledger_account_id uuid   NOT NULL,
    currency          text   NOT NULL,
    balance_minor     bigint NOT NULL CONSTRAINT no_client_liability_is_negative CHECK (balance_minor >= 0),
    PRIMARY KEY (ledger_account_id, currency)
) WITH (fillfactor = 70);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused: the history is append-only', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege', HINT = 'Post a correcting event instead (I2).';
END $$;

CREATE TRIGGER events_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE events ENABLE ALWAYS TRIGGER events_are_append_only;
CREATE TRIGGER seals_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON seals
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE seals ENABLE ALWAYS TRIGGER seals_are_append_only;

-- Every address that was ever made by the signer. The scanner matches transfers against it, so a row stands here before
-- anybody can learn the address, and is never deleted. The API takes `ready` rows; `wallet` names the role.
CREATE TABLE addresses (
    evm        bytea  PRIMARY KEY CHECK (length(evm) = 20),
    base58     text   NOT NULL UNIQUE,
    wallet     text   NOT NULL CHECK (wallet IN ('payin', 'hot', 'cold', 'gas')),
    key_id     text,
    state      text   NOT NULL CHECK (state IN ('ready', 'taken')),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX addresses_ready ON addresses (created_at, base58) WHERE state = 'ready';

-- The scanner's checkpoints: the last block whose facts the queue has taken (I9).
CREATE TABLE chain_cursors (
    id                text   PRIMARY KEY,
    last_block_number bigint NOT NULL,
    last_block_id     text   NOT NULL,
    updated_at        timestamptz NOT NULL DEFAULT now()
);

-- Bookmarks of steps that are not projectors: the relay, the webhook feed.
CREATE TABLE bookmarks (
    name       text   PRIMARY KEY,
    "position" bigint NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

GRANT SELECT, INSERT ON events, seals TO counterfoil_writer;
GRANT SELECT, INSERT, UPDATE ON guard, addresses, chain_cursors, bookmarks TO counterfoil_writer;
GRANT SELECT ON events, seals, guard, history, addresses, chain_cursors, bookmarks
   TO counterfoil_projector, counterfoil_reader;
GRANT SELECT ON history TO counterfoil_writer;
GRANT INSERT, UPDATE ON bookmarks TO counterfoil_projector;

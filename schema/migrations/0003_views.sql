-- The read side: tables that follow from the history alone and can be dropped and rebuilt from it (I4). Each belongs to one
-- view (projections/<view>.py); foreign keys stay within a view, because views are rebuilt one by one. References between
-- views are proven by reconcile. Times are the events'. `position` is that of the event that made the row: lists are paged
-- by it and stay still while rows are added.

CREATE TABLE projection_tracking (
    application_name text   PRIMARY KEY,
    notification_id  bigint NOT NULL CHECK (notification_id >= 0)
) WITH (fillfactor = 50);
COMMENT ON TABLE projection_tracking IS 'How far each view came; eventsourcing''s PostgresTrackingRecorder fences it';
INSERT INTO projection_tracking
    SELECT name, 0 FROM unnest(ARRAY['accounts', 'balances', 'deposits', 'journal', 'notifications', 'payins',
                                     'payouts', 'wallets']) AS name;

-- accounts ------------------------------------------------------------------------------------------------------------

CREATE TABLE accounts (
    id                        uuid PRIMARY KEY,
    name                      text NOT NULL,
    status                    text NOT NULL CHECK (status IN ('active', 'suspended', 'deleted')),
    webhook_url               text,
    webhook_secret_generation int  NOT NULL,
    webhook_secret_rotated_at timestamptz,
    created_at                timestamptz NOT NULL,
    updated_at                timestamptz NOT NULL,
    "position"                bigint NOT NULL
);
CREATE INDEX accounts_page ON accounts ("position");
COMMENT ON COLUMN accounts."position" IS '0 for the treasury''s own account, which is no client';

CREATE TABLE ledger_accounts (
    id         uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts,
    type       text NOT NULL CHECK (type IN ('asset', 'liability', 'equity', 'revenue', 'expense')),
    code       text NOT NULL,
    name       text NOT NULL,
    status     text NOT NULL CHECK (status IN ('active', 'archived')),
    created_at timestamptz NOT NULL,
    "position" bigint NOT NULL,
    UNIQUE (account_id, code)
);
CREATE INDEX ledger_accounts_page ON ledger_accounts (account_id, "position");

-- payins --------------------------------------------------------------------------------------------------------------

CREATE TABLE payin_addresses (
    id                  uuid PRIMARY KEY,
    account_id          uuid NOT NULL,
    ledger_account_id   uuid,
    ledger_account      text NOT NULL,
    tron_address_base58 text NOT NULL UNIQUE,
    tron_address_hex    text NOT NULL UNIQUE,
    kms_key_id          text NOT NULL,
    status              text NOT NULL CHECK (status IN ('active', 'disabled')),
    created_at          timestamptz NOT NULL,
    "position"          bigint NOT NULL
);
CREATE INDEX payin_addresses_account_hex ON payin_addresses (account_id, tron_address_hex);
CREATE INDEX payin_addresses_page ON payin_addresses (account_id, "position");

CREATE TABLE payin_requests (
    id                uuid PRIMARY KEY,
    account_id        uuid NOT NULL,
    ledger_account_id uuid,
    ledger_account    text NOT NULL,
    address_id        uuid REFERENCES payin_addresses,
    client_reference  text,
    state             text NOT NULL CHECK (state IN ('pending', 'active', 'disabled')),
    created_at        timestamptz NOT NULL,
    "position"        bigint NOT NULL,
    CONSTRAINT only_a_pending_request_lacks_its_address CHECK (state = 'pending' OR address_id IS NOT NULL)
);
CREATE INDEX payin_requests_page ON payin_requests (account_id, "position");
CREATE INDEX payin_requests_address ON payin_requests (address_id);

-- journal -------------------------------------------------------------------------------------------------------------

-- One entry per event and book it touches, so that no client sees another's lines (I12). `topic` is the event's.
CREATE TABLE journal_entries (
    id           uuid PRIMARY KEY,
    account_id   uuid NOT NULL,
    event_type   text NOT NULL CHECK (event_type IN ('payin', 'payout', 'adjustment', 'transfer', 'sweep', 'gas')),
    external_ref text,
    topic        text NOT NULL,
    created_at   timestamptz NOT NULL,
    "position"   bigint NOT NULL,
    UNIQUE (account_id, "position")
);

CREATE TABLE postings (
    id                uuid PRIMARY KEY,
    journal_entry_id  uuid NOT NULL REFERENCES journal_entries,
    ledger_account_id uuid NOT NULL,
    code              text NOT NULL,
    currency          text NOT NULL,
    amount_minor      bigint NOT NULL CHECK (amount_minor > 0),
    side              text NOT NULL CHECK (side IN ('debit', 'credit')),
    line              int  NOT NULL,
    created_at        timestamptz NOT NULL,
    "position"        bigint NOT NULL
);
CREATE INDEX postings_entry ON postings (journal_entry_id, line);
CREATE INDEX postings_account ON postings (ledger_account_id, "position");

-- I1 in the database. A statement that leaves debits - credits of an entry as they were needs no second look, and that is
-- what the projector's are; the entries of any other statement wait here to be proven when the transaction commits.
-- pg_temp comes last in these functions' path: a temporary table of the same name must not be read in place of the real one.
CREATE TABLE unproven_entries (
    journal_entry_id uuid NOT NULL
);

CREATE FUNCTION note_unbalanced_insert() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO unproven_entries
        SELECT DISTINCT journal_entry_id FROM added GROUP BY journal_entry_id, currency
        HAVING sum(CASE side WHEN 'debit' THEN amount_minor ELSE -amount_minor END) <> 0;
    RETURN NULL;
END $$;
CREATE FUNCTION note_unbalanced_delete() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO unproven_entries
        SELECT DISTINCT journal_entry_id FROM removed GROUP BY journal_entry_id, currency
        HAVING sum(CASE side WHEN 'debit' THEN amount_minor ELSE -amount_minor END) <> 0;
    RETURN NULL;
END $$;
CREATE FUNCTION note_update() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO unproven_entries
        SELECT journal_entry_id FROM removed UNION SELECT journal_entry_id FROM added;
    RETURN NULL;
END $$;
CREATE FUNCTION prove_entry() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp AS $$
DECLARE
    wrong record;
BEGIN
    SELECT currency, sum(CASE side WHEN 'debit' THEN amount_minor ELSE -amount_minor END) AS difference
      INTO wrong FROM postings WHERE journal_entry_id = NEW.journal_entry_id GROUP BY currency
    HAVING sum(CASE side WHEN 'debit' THEN amount_minor ELSE -amount_minor END) <> 0 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'journal entry % is off by % %: debits must equal credits',
                        NEW.journal_entry_id, wrong.difference, wrong.currency
            USING ERRCODE = 'check_violation', CONSTRAINT = 'debits_equal_credits';
    END IF;
    DELETE FROM unproven_entries WHERE journal_entry_id = NEW.journal_entry_id;
    RETURN NULL;
END $$;

CREATE TRIGGER postings_added AFTER INSERT ON postings REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION note_unbalanced_insert();
CREATE TRIGGER postings_removed AFTER DELETE ON postings REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION note_unbalanced_delete();
CREATE TRIGGER postings_changed AFTER UPDATE ON postings REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION note_update();
CREATE CONSTRAINT TRIGGER debits_equal_credits AFTER INSERT ON unproven_entries
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION prove_entry();

-- balances ------------------------------------------------------------------------------------------------------------

-- `amount_minor` grows in the normal direction of the account's type. `pending_minor` is what was detected at the head of
-- the chain and is not confirmed; nobody can spend it.
CREATE TABLE balances (
    ledger_account_id uuid NOT NULL,
    currency          text NOT NULL,
    account_id        uuid NOT NULL,
    code              text NOT NULL,
    type              text NOT NULL CHECK (type IN ('asset', 'liability', 'equity', 'revenue', 'expense')),
    amount_minor      bigint NOT NULL,
    pending_minor     bigint NOT NULL CHECK (pending_minor >= 0),
    updated_at        timestamptz NOT NULL,
    PRIMARY KEY (ledger_account_id, currency)
) WITH (fillfactor = 70);
CREATE INDEX balances_account ON balances (account_id, code, currency);

-- Which deposits make up pending_minor.
CREATE TABLE pending_deposits (
    id                uuid PRIMARY KEY,
    ledger_account_id uuid NOT NULL,
    currency          text NOT NULL,
    amount_minor      bigint NOT NULL,
    FOREIGN KEY (ledger_account_id, currency) REFERENCES balances
);

-- deposits ------------------------------------------------------------------------------------------------------------

-- `address_id` is NULL when the coins reached a wallet of the treasury; `log_index` is NULL for a plain TRX transfer.
CREATE TABLE observed_transactions (
    id                uuid PRIMARY KEY,
    account_id        uuid NOT NULL,
    ledger_account_id uuid NOT NULL,
    ledger_account    text NOT NULL,
    address_id        uuid,
    address           text NOT NULL,
    from_address      text NOT NULL,
    tx_hash           text NOT NULL,
    log_index         int,
    block_number      bigint NOT NULL,
    block_id          text NOT NULL,
    amount_minor      bigint NOT NULL CHECK (amount_minor > 0),
    currency          text NOT NULL,
    status            text NOT NULL CHECK (status IN ('detected', 'confirmed', 'orphaned')),
    raw_event         jsonb NOT NULL,
    journal_entry_id  uuid,
    detected_at       timestamptz NOT NULL,
    confirmed_at      timestamptz,
    orphaned_at       timestamptz,
    created_at        timestamptz NOT NULL,
    "position"        bigint NOT NULL,
    UNIQUE NULLS NOT DISTINCT (tx_hash, log_index),
    CONSTRAINT only_a_confirmed_one_is_booked CHECK ((status = 'confirmed') = (journal_entry_id IS NOT NULL))
) WITH (fillfactor = 70);
CREATE INDEX observed_transactions_page ON observed_transactions (account_id, "position");
CREATE INDEX observed_transactions_address ON observed_transactions (address, "position");

-- payouts -------------------------------------------------------------------------------------------------------------

CREATE TABLE payout_requests (
    id                     uuid PRIMARY KEY,
    account_id             uuid NOT NULL,
    from_ledger_account_id uuid NOT NULL,
    ledger_account         text NOT NULL,
    to_address_base58      text NOT NULL,
    amount_minor           bigint NOT NULL CHECK (amount_minor > 0),
    fee_minor              bigint NOT NULL CHECK (fee_minor >= 0),
    currency               text NOT NULL,
    state                  text NOT NULL
        CHECK (state IN ('requested', 'pending_sign', 'broadcasted', 'confirmed', 'failed', 'cancelled')),
    tron_tx_hash           text,
    client_reference       text,
    failure_code           text,
    attempts               int NOT NULL,
    block_number           bigint,
    burned_sun             bigint,
    created_at             timestamptz NOT NULL,
    updated_at             timestamptz NOT NULL,
    "position"             bigint NOT NULL,
    CONSTRAINT a_failure_has_a_code CHECK ((state = 'failed') = (failure_code IS NOT NULL))
) WITH (fillfactor = 70);
CREATE INDEX payout_requests_page ON payout_requests (account_id, "position");
CREATE INDEX payout_requests_open ON payout_requests ("position") WHERE state IN ('requested', 'pending_sign', 'broadcasted');
CREATE INDEX payout_requests_txid ON payout_requests (tron_tx_hash) WHERE tron_tx_hash IS NOT NULL;

-- wallets -------------------------------------------------------------------------------------------------------------

CREATE TABLE system_wallets (
    id         uuid PRIMARY KEY,
    role       text NOT NULL CHECK (role IN ('hot', 'cold', 'gas')),
    address    text NOT NULL,
    kms_key_id text,
    status     text NOT NULL CHECK (status IN ('active', 'inactive')),
    created_at timestamptz NOT NULL,
    "position" bigint NOT NULL
);
CREATE INDEX system_wallets_role ON system_wallets (role, status);

-- notifications -------------------------------------------------------------------------------------------------------

-- What clients are told (GET /v1/events, webhooks): `sequence` is gapless per account from 1, `data` is the object as its
-- GET shows it, `subject` (deposit-<id>, payout-<id>) names the object whose events keep their order. Ids are UUIDv7.
CREATE TABLE client_events (
    account_id uuid   NOT NULL,
    sequence   bigint NOT NULL CHECK (sequence > 0),
    id         uuid   NOT NULL,
    type       text   NOT NULL CHECK (type IN ('deposit.detected', 'deposit.confirmed', 'deposit.orphaned',
                                               'payout.broadcasted', 'payout.confirmed', 'payout.failed')),
    subject    text   NOT NULL,
    data       jsonb  NOT NULL,
    created_at timestamptz NOT NULL,
    "position" bigint NOT NULL UNIQUE,
    PRIMARY KEY (account_id, sequence),
    UNIQUE (account_id, id)
);

-- Objects that clients may yet hear of again, as their next event finds them.
CREATE TABLE client_objects (
    id  uuid  PRIMARY KEY,
    row jsonb NOT NULL
);

GRANT SELECT, INSERT, UPDATE, DELETE ON
    projection_tracking, accounts, ledger_accounts, payin_addresses, payin_requests, journal_entries, postings, balances,
    pending_deposits, observed_transactions, payout_requests, system_wallets, client_events, client_objects
    TO counterfoil_projector;
GRANT SELECT ON
    projection_tracking, accounts, ledger_accounts, payin_addresses, payin_requests, journal_entries, postings, balances,
    pending_deposits, observed_transactions, payout_requests, system_wallets, client_events
    TO counterfoil_reader;

-- What the operator sees of the treasury (projections/holdings.py, projections/sweeps.py).
INSERT INTO projection_tracking VALUES ('holdings', 0), ('sweeps', 0);

CREATE TABLE address_holdings (
    address      text   PRIMARY KEY,
    usdt_minor   bigint NOT NULL,
    trx_sun      bigint NOT NULL,
    sweeps       int    NOT NULL CHECK (sweeps >= 0),
    quarantine   text,
    block_number bigint NOT NULL,
    "position"   bigint NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX address_holdings_usdt ON address_holdings (usdt_minor DESC) WHERE quarantine IS NULL AND usdt_minor > 0;
CREATE INDEX address_holdings_trx ON address_holdings (trx_sun DESC) WHERE quarantine IS NULL AND trx_sun > 0;
CREATE INDEX address_holdings_set_aside ON address_holdings (address) WHERE quarantine IS NOT NULL;
COMMENT ON TABLE address_holdings IS 'Payin_Wallets_Asset, address by address';

CREATE TABLE sweeps (
    id           uuid PRIMARY KEY,
    address      text NOT NULL,
    number       int  NOT NULL CHECK (number > 0),
    currency     text NOT NULL CHECK (currency IN ('USDT', 'TRX')),
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    destination  text NOT NULL CHECK (destination IN ('hot', 'cold', 'gas')),
    to_address   text NOT NULL,
    method       text NOT NULL CHECK (method IN ('own', 'loan', 'fuel')),
    state        text NOT NULL
        CHECK (state IN ('planned', 'fuelled', 'signed', 'broadcast', 'confirmed', 'failed', 'deferred')),
    reason       text,
    tron_tx_hash text,
    cost_sun     bigint NOT NULL,
    burned_sun   bigint NOT NULL,
    fuel_sun     bigint NOT NULL,
    lent_sun     bigint NOT NULL,
    block_number bigint,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    "position"   bigint NOT NULL,
    UNIQUE (address, number)
) WITH (fillfactor = 70);
CREATE INDEX sweeps_page ON sweeps ("position");
CREATE INDEX sweeps_state ON sweeps (state, "position");
COMMENT ON COLUMN sweeps.lent_sun IS 'Stake that is lent to the address now: 0 once everything is back';

CREATE TABLE instructions (
    id           uuid PRIMARY KEY,
    purpose      text NOT NULL
        CHECK (purpose IN ('sweep', 'fuel', 'loan', 'loan_return', 'excess', 'refill', 'stake')),
    sweep_id     uuid,
    wallet       text NOT NULL CHECK (wallet IN ('payin', 'hot', 'cold', 'gas')),
    owner        text NOT NULL,
    act          text NOT NULL,
    to_address   text,
    amount_minor bigint NOT NULL CHECK (amount_minor >= 0),
    currency     text NOT NULL,
    state        text NOT NULL
        CHECK (state IN ('given', 'prepared', 'signed', 'broadcast', 'confirmed', 'failed', 'withdrawn')),
    attempts     int NOT NULL,
    tron_tx_hash text,
    reason       text,
    block_number bigint,
    burned_sun   bigint,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    "position"   bigint NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX instructions_page ON instructions ("position");
CREATE INDEX instructions_sweep ON instructions (sweep_id) WHERE sweep_id IS NOT NULL;

GRANT SELECT, INSERT, UPDATE, DELETE ON address_holdings, sweeps, instructions TO counterfoil_projector;
GRANT SELECT ON address_holdings, sweeps, instructions TO counterfoil_reader;
-- Where to look for coins: a hint, the chain is asked before anything is signed.
GRANT SELECT ON address_holdings TO counterfoil_signer;

-- What left our wallets in history that a restore lost, as the operator sees it (projections/views/wallets.py).
CREATE TABLE lost_outgoing (
    txid         text   PRIMARY KEY,
    wallet       text   NOT NULL CHECK (wallet IN ('payin', 'hot', 'gas')),
    address      text   NOT NULL,
    to_address   text,
    amount_minor bigint NOT NULL CHECK (amount_minor >= 0),
    currency     text,
    burned_sun   bigint NOT NULL CHECK (burned_sun >= 0),
    block_number bigint NOT NULL,
    status       text   NOT NULL CHECK (status IN ('open', 'ours', 'attributed', 'written_off')),
    payout_id    uuid,
    reason       text,
    created_at   timestamptz NOT NULL,
    "position"   bigint NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX lost_outgoing_page ON lost_outgoing ("position");
COMMENT ON TABLE lost_outgoing IS 'Transactions of ours that only the chain knows of, after a restore, and what became of each';

GRANT SELECT, INSERT, UPDATE, DELETE ON lost_outgoing TO counterfoil_projector;
GRANT SELECT ON lost_outgoing TO counterfoil_reader;

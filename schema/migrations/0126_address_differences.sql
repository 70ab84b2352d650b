-- Where books and chain do not agree about a deposit address, as the process `sweeps` saw it last (projections/audit/deposit_balances.py).
-- A row goes when the difference is explained, so an empty table is the rule. No part of the history.
CREATE TABLE address_differences (
    address      text        NOT NULL,
    currency     text        NOT NULL,
    account      text        NOT NULL,
    booked       bigint      NOT NULL,
    found        bigint      NOT NULL,
    block_number bigint      NOT NULL,
    sentence     text        NOT NULL,
    since        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (address, currency)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON address_differences TO counterfoil_signer;
GRANT SELECT ON address_differences TO counterfoil_reader;

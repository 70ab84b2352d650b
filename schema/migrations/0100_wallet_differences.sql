-- Where books and chain do not agree about a system wallet, as the process `sweeps` saw it last (projections/audit/wallet_balances.py).
-- A row goes when the difference is explained, so an empty table is the rule. No part of the history.
CREATE TABLE wallet_differences (
    account      text        NOT NULL,
    currency     text        NOT NULL,
    address      text        NOT NULL,
    booked       bigint      NOT NULL,
    found        bigint      NOT NULL,
    block_number bigint      NOT NULL,
    sentence     text        NOT NULL,
    since        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account, currency)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON wallet_differences TO counterfoil_signer;
GRANT SELECT ON wallet_differences TO counterfoil_reader;

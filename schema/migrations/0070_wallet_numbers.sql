-- What the chain says of each system wallet, as the process `sweeps` saw it last (signers/wallet_watch.py): for the API, which asks
-- no node, and for /metrics. No part of the history: whoever loses it has it again after the next look.
CREATE TABLE wallet_numbers (
    role                text   PRIMARY KEY CHECK (role IN ('hot', 'cold', 'gas')),
    address             text   NOT NULL,
    block_number        bigint NOT NULL,
    block_timestamp_ms  bigint NOT NULL,
    usdt_minor          bigint NOT NULL,
    trx_sun             bigint NOT NULL,
    energy_left         bigint NOT NULL,
    energy_limit        bigint NOT NULL,
    energy_lendable     bigint NOT NULL,
    bandwidth_left      bigint NOT NULL,
    bandwidth_limit     bigint NOT NULL,
    staked_sun          bigint NOT NULL,
    delegated_sun       bigint NOT NULL,
    unfreezing_sun      bigint NOT NULL,
    usdt_floor_minor    bigint NOT NULL,
    trx_floor_sun       bigint NOT NULL,
    energy_floor        bigint NOT NULL,
    updated_at          timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT, UPDATE ON wallet_numbers TO counterfoil_signer;
GRANT SELECT ON wallet_numbers TO counterfoil_reader;

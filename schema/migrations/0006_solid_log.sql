-- What the observer saw of the solid chain, block by block: a payout is declared dead by this log, never by a node's word (I7).
CREATE TABLE solid_blocks (
    number       bigint PRIMARY KEY CHECK (number >= 0),
    block_id     text   NOT NULL CHECK (length(block_id) = 64),
    parent_id    text   NOT NULL CHECK (length(parent_id) = 64),
    timestamp_ms bigint NOT NULL
);
COMMENT ON TABLE solid_blocks IS 'Checked and linked solid blocks, pruned behind the oldest payout that may still need them';

-- Transactions that addresses of ours own, with the result that the block's Merkle root covers. A block's row and these
-- are written together.
CREATE TABLE solid_transactions (
    txid         text   PRIMARY KEY CHECK (length(txid) = 64),
    block_number bigint NOT NULL REFERENCES solid_blocks ON DELETE CASCADE,
    contract_ret text   NOT NULL
);
CREATE INDEX solid_transactions_block ON solid_transactions (block_number);

GRANT SELECT ON solid_blocks, solid_transactions TO counterfoil_writer, counterfoil_projector, counterfoil_reader,
    counterfoil_api, counterfoil_recorder, counterfoil_signer, counterfoil_observer;
GRANT INSERT, DELETE ON solid_blocks, solid_transactions TO counterfoil_writer, counterfoil_observer;

-- txid -> the payout that was prepared as it: how an outgoing transaction on chain is explained. The history itself is
-- indexed, so there is no second list of our transactions that could differ from it.
CREATE INDEX events_prepared_txid ON events ((state::jsonb -> 'attempt' ->> 'txid')) WHERE topic = 'payout.prepared/1';

DELETE FROM event_grants WHERE topic = 'payout.expired/1';
INSERT INTO event_grants
    SELECT 'counterfoil_signer', 'payout.expired/2'
    UNION ALL
    SELECT 'counterfoil_api', 'signing.resumed/1'
    UNION ALL
    SELECT 'counterfoil_recorder', topic FROM unnest(ARRAY[
        'token.paused/1', 'token.unpaused/1', 'token.deprecated/1', 'token.fee-changed/1', 'token.address-blacklisted/1',
        'token.address-cleared/1', 'token.funds-destroyed/1', 'wallet.permission-changed/1',
        'wallet.outgoing-unexplained/1', 'signing.stopped/1', 'signing.cause-ended/1']) AS topic;

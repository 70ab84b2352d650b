-- The treasury's own transactions are instructions: one stream each, as payouts have theirs. What was prepared explains what
-- leaves our wallets, so their txids are indexed like the payouts' (0006).
CREATE INDEX events_instructed_txid ON events ((state::jsonb -> 'attempt' ->> 'txid')) WHERE topic = 'instruction.prepared/1';

-- Who needs old blocks of the solid log says so under a name of its own.
UPDATE bookmarks SET name = 'solid-log:payouts' WHERE name = 'solid-log';

DELETE FROM event_grants WHERE topic = 'token.funds-destroyed/1';
INSERT INTO event_grants
    SELECT 'counterfoil_recorder', 'token.funds-destroyed/2'
    UNION ALL
    SELECT 'counterfoil_signer', topic FROM unnest(ARRAY[
        'instruction.given/1', 'instruction.withdrawn/1', 'instruction.prepared/1', 'instruction.signed/1',
        'instruction.broadcast/1', 'instruction.expired/1', 'instruction.confirmed/1', 'instruction.failed/1',
        'sweep.planned/1', 'sweep.fuelling/1', 'sweep.fuelled/1', 'sweep.confirmed/1', 'sweep.failed/1',
        'sweep.deferred/1', 'sweep.released/1', 'address.quarantined/1', 'address.released/1']) AS topic;

-- The treasury's chart has a new account; its id follows from its name (core/journal.py). Fresh installations get it with
-- their first event.
INSERT INTO ledger_accounts
    SELECT '280072dc-bdc7-5d28-a907-0da8897d7fb3', id, 'asset', 'Staked_Asset',
           'TRX staked for energy and bandwidth: frozen, lent, or on its way back', 'active', created_at, 0
      FROM accounts WHERE id = '42138790-e4d3-568c-8c34-4c4ae78a7314';
UPDATE ledger_accounts SET name = 'TRX burned for energy and bandwidth, coins taken by a token''s fee'
 WHERE account_id = '42138790-e4d3-568c-8c34-4c4ae78a7314' AND code = 'Network_Fee_Expense';

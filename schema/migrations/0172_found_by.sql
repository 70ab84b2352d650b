-- compatible_from: 0150
-- What deposits, payouts, payins and events are looked for by. The account stands behind what is looked for, so that one index
-- serves a client, who reads its own among many with one reference, and an operator, who reads all of them.
CREATE INDEX observed_transactions_status ON observed_transactions (status, account_id, "position");
CREATE INDEX observed_transactions_from ON observed_transactions (from_address, account_id, "position");
CREATE INDEX observed_transactions_ledger_account ON observed_transactions (ledger_account, account_id, "position");
CREATE INDEX observed_transactions_amount ON observed_transactions (amount_minor, account_id, "position");

CREATE INDEX payout_requests_state ON payout_requests (state, account_id, "position");
CREATE INDEX payout_requests_to ON payout_requests (to_address_base58, account_id, "position");
CREATE INDEX payout_requests_reference ON payout_requests (client_reference, account_id, "position")
    WHERE client_reference IS NOT NULL;
CREATE INDEX payout_requests_ledger_account ON payout_requests (ledger_account, account_id, "position");
CREATE INDEX payout_requests_amount ON payout_requests (amount_minor, account_id, "position");

CREATE INDEX payin_requests_reference ON payin_requests (client_reference, account_id, "position")
    WHERE client_reference IS NOT NULL;

CREATE INDEX client_events_subject ON client_events (subject, sequence);
CREATE INDEX client_events_type ON client_events (account_id, type, sequence);

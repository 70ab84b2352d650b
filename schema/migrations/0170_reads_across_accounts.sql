-- compatible_from: 0150
-- An operator reads lists that span accounts, newest first.
CREATE INDEX ledger_accounts_newest ON ledger_accounts ("position", id);
CREATE INDEX payin_addresses_newest ON payin_addresses ("position");
CREATE INDEX payin_requests_newest ON payin_requests ("position");
CREATE INDEX journal_entries_newest ON journal_entries ("position", id);
CREATE INDEX observed_transactions_newest ON observed_transactions ("position");
CREATE INDEX payout_requests_newest ON payout_requests ("position");

-- What the ledger account had booked after each line, debits minus credits: a balance of any time is one look into an index,
-- and a statement shows it line by line. It follows from the lines before it, so it is filled in here for those there are.
ALTER TABLE postings ADD COLUMN balance_minor bigint;
ALTER TABLE postings DISABLE TRIGGER postings_changed;
UPDATE postings AS line SET balance_minor = run.total
  FROM (SELECT id, sum(CASE side WHEN 'debit' THEN amount_minor ELSE -amount_minor END)
                   OVER (PARTITION BY ledger_account_id, currency ORDER BY "position", line) AS total
          FROM postings) AS run
 WHERE run.id = line.id;
ALTER TABLE postings ENABLE TRIGGER postings_changed;
ALTER TABLE postings ALTER COLUMN balance_minor SET NOT NULL;
COMMENT ON COLUMN postings.balance_minor IS 'Debits minus credits of the ledger account in this currency, this line included';

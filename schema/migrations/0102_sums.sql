-- No client's sum comes near what a bigint holds: what is decided (core/ledger/ledger.py) is held here, too.
ALTER TABLE guard ADD CONSTRAINT no_sum_is_out_of_range CHECK (balance_minor <= 4611686018427387904);

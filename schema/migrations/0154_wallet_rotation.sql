-- compatible_from: 0150
-- A wallet that was replaced is emptied by instructions of a purpose of its own, and its role's row says how far that is.
ALTER TABLE instructions
    DROP CONSTRAINT instructions_purpose_check,
    ADD CONSTRAINT instructions_purpose_check
        CHECK (purpose IN ('sweep', 'fuel', 'loan', 'loan_return', 'excess', 'refill', 'stake', 'evacuation', 'rotation'));

ALTER TABLE system_wallets
    DROP CONSTRAINT system_wallets_status_check,
    ADD CONSTRAINT system_wallets_status_check CHECK (status IN ('active', 'inactive', 'retiring', 'retired'));

-- What the chain last said of wallets that were replaced; the ones that play a role stand in wallet_numbers.
CREATE TABLE former_wallet_numbers (LIKE wallet_numbers INCLUDING DEFAULTS, PRIMARY KEY (address));
COMMENT ON TABLE former_wallet_numbers IS 'Wallets that are being emptied, or hold coins that came after they were retired';
GRANT SELECT, INSERT, UPDATE, DELETE ON former_wallet_numbers TO counterfoil_signer;
GRANT SELECT ON former_wallet_numbers TO counterfoil_reader;

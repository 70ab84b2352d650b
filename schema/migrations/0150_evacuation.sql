-- Coins that go to cold storage in an evacuation are instructions of a purpose of their own.
ALTER TABLE instructions
    DROP CONSTRAINT instructions_purpose_check,
    ADD CONSTRAINT instructions_purpose_check
        CHECK (purpose IN ('sweep', 'fuel', 'loan', 'loan_return', 'excess', 'refill', 'stake', 'evacuation'));

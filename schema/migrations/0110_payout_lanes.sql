-- Payouts in lanes (signers/outgoing/lanes.py): what the client asked for beside the amount, and what a payout waits for.
ALTER TABLE payout_requests
    ADD COLUMN priority       text NOT NULL DEFAULT 'normal' CHECK (priority IN ('normal', 'high')),
    ADD COLUMN not_before     timestamptz,
    ADD COLUMN expedited      boolean NOT NULL DEFAULT false,
    ADD COLUMN waiting_reason text,
    ADD COLUMN waiting_since  timestamptz,
    ADD CONSTRAINT waiting_has_a_since CHECK ((waiting_reason IS NULL) = (waiting_since IS NULL));
COMMENT ON COLUMN payout_requests.waiting_since IS 'Chain time since when one thing has kept it from being made';
CREATE INDEX payout_requests_lane ON payout_requests (account_id, "position") WHERE state = 'requested';

-- Refused payouts are kept in a second version of their event now: who looks for refusals reads this index.
DROP INDEX events_refused;
CREATE INDEX events_refused ON events (notification_id)
    WHERE topic IN ('payout.refused/1', 'payout.refused/2', 'command.refused/1', 'command.refusals-counted/1');

-- Clients are told that a payout waits.
ALTER TABLE client_events
    DROP CONSTRAINT client_events_type_check,
    ADD CONSTRAINT client_events_type_check
        CHECK (type IN ('deposit.detected', 'deposit.confirmed', 'deposit.orphaned',
                        'payout.waiting', 'payout.broadcasted', 'payout.confirmed', 'payout.failed'));

-- Which lanes were short when the process `payouts` looked last, and what it has set aside (core/ports/payout_lanes.py). No
-- part of the history; a lane that lacks nothing has no row.
CREATE TABLE payout_lanes (
    account_id      uuid   PRIMARY KEY,
    short_minor     bigint NOT NULL CHECK (short_minor >= 0),
    earmarked_minor bigint NOT NULL CHECK (earmarked_minor >= 0)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON payout_lanes TO counterfoil_signer;
GRANT SELECT ON payout_lanes TO counterfoil_reader;

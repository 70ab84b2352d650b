-- compatible_from: 0150
-- A refused transfer is an event of its own stream, and one of the refusals that an operator can list.
DROP INDEX events_refused;
CREATE INDEX events_refused ON events (notification_id)
    WHERE topic IN (
        'payout.refused/1', 'payout.refused/2', 'transfer.refused/1', 'command.refused/1', 'command.refusals-counted/1'
    );

-- Refused commands are events (core/refusals.py): who tried what, and why it was refused. Those who look for them read
-- this index, which holds nothing else.
INSERT INTO event_grants VALUES ('counterfoil_api', 'command.refused/1'), ('counterfoil_api', 'command.refusals-counted/1');

CREATE INDEX events_refused ON events (notification_id)
    WHERE topic IN ('payout.refused/1', 'command.refused/1', 'command.refusals-counted/1');

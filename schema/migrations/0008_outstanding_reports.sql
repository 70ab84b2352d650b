-- What the observer told the recorder, until it is recorded: a purged queue is told again from here, and nobody has to scan (I11).
-- Every body carries the observer's proof, so a row under foreign control cannot create money any more than a message can (I14).
CREATE TABLE outstanding_reports (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_key text   NOT NULL UNIQUE,
    group_id    text   NOT NULL,
    body        bytea  NOT NULL,
    times       int    NOT NULL DEFAULT 1,
    due_at      bigint NOT NULL,
    told_at     timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN outstanding_reports.due_at IS 'The solid height from which the report counts as lost';
CREATE INDEX outstanding_reports_due ON outstanding_reports (due_at);

GRANT SELECT, INSERT, UPDATE, DELETE ON outstanding_reports TO counterfoil_writer, counterfoil_observer;
GRANT SELECT, DELETE ON outstanding_reports TO counterfoil_recorder;
GRANT SELECT ON outstanding_reports TO counterfoil_reader;

-- Signing's stops and ends say since version 2 where on the chain they happened.
DELETE FROM event_grants WHERE topic IN ('signing.stopped/1', 'signing.cause-ended/1');
INSERT INTO event_grants VALUES ('counterfoil_recorder', 'signing.stopped/2'), ('counterfoil_recorder', 'signing.cause-ended/2');

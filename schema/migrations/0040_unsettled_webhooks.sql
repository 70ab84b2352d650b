-- Webhooks that are not settled, where the outbox is not in this database: if DynamoDB's table loses everything, they are put
-- into it again from here (I11).
CREATE TABLE unsettled_webhooks (
    account_id text  NOT NULL,
    event_id   uuid  NOT NULL,
    delivery   bytea NOT NULL,
    kept_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, event_id)
);

GRANT SELECT, INSERT, DELETE ON unsettled_webhooks TO counterfoil_writer, counterfoil_webhooks;
GRANT SELECT, INSERT, DELETE ON unsettled_webhooks TO counterfoil_api;
GRANT SELECT ON unsettled_webhooks TO counterfoil_reader;

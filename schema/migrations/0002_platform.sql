-- What one machine has instead of SQS and DynamoDB. Attribute names are the specification's.

CREATE TABLE queue_messages (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue       text   NOT NULL,
    group_id    text   NOT NULL,
    message_key text   NOT NULL,
    body        bytea  NOT NULL,
    visible_at  timestamptz NOT NULL DEFAULT now(),
    receipt     uuid,
    attempts    int    NOT NULL DEFAULT 0,
    sent_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX queue_messages_order ON queue_messages (queue, id);
CREATE INDEX queue_messages_group ON queue_messages (queue, group_id, id);
CREATE UNIQUE INDEX queue_messages_receipt ON queue_messages (receipt) WHERE receipt IS NOT NULL;

-- Keys of the last minutes, so that a message sent twice is taken once, as SQS FIFO does for five minutes.
CREATE TABLE queue_keys (
    queue       text NOT NULL,
    message_key text NOT NULL,
    sent_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (queue, message_key)
);
CREATE INDEX queue_keys_age ON queue_keys (sent_at);

CREATE TABLE queue_dead_letters (
    id        bigint PRIMARY KEY,
    queue     text   NOT NULL,
    group_id  text   NOT NULL,
    body      bytea  NOT NULL,
    reason    text   NOT NULL,
    attempts  int    NOT NULL,
    buried_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE api_keys (
    api_key_hash text PRIMARY KEY,
    id           uuid NOT NULL UNIQUE,
    account_id   text NOT NULL,
    name         text NOT NULL,
    permissions  text[] NOT NULL,
    status       text NOT NULL CHECK (status IN ('active', 'revoked')),
    created_at   timestamptz NOT NULL,
    last_used_at timestamptz,
    expires_at   timestamptz,
    ttl          timestamptz
);
CREATE INDEX api_keys_account ON api_keys (account_id, created_at DESC);

CREATE TABLE idempotency_keys (
    account_id   text  NOT NULL,
    scope        text  NOT NULL,
    key          text  NOT NULL,
    request_hash jsonb NOT NULL,
    response     bytea,
    status       text  NOT NULL CHECK (status IN ('running', 'done')),
    created_at   timestamptz NOT NULL,
    ttl          timestamptz NOT NULL,
    PRIMARY KEY (account_id, scope, key)
);
CREATE INDEX idempotency_keys_ttl ON idempotency_keys (ttl);

CREATE TABLE webhook_events (
    account_id      text   NOT NULL,
    event_id        uuid   NOT NULL,
    event_type      text   NOT NULL,
    subject         text   NOT NULL,
    sequence        bigint NOT NULL,
    payload         bytea  NOT NULL,
    status          text   NOT NULL CHECK (status IN ('pending', 'delivered', 'exhausted', 'disabled')),
    attempts        int    NOT NULL,
    created_at      timestamptz NOT NULL,
    last_attempt_at timestamptz,
    last_error      text,
    next_retry_at   timestamptz,
    ttl             timestamptz NOT NULL,
    PRIMARY KEY (account_id, event_id)
);
CREATE INDEX webhook_events_due ON webhook_events (status, next_retry_at);
CREATE INDEX webhook_events_subject ON webhook_events (account_id, subject, sequence) WHERE status = 'pending';
CREATE INDEX webhook_events_page ON webhook_events (account_id, created_at DESC, event_id DESC);

CREATE TABLE audit_logs (
    account_id text  NOT NULL,
    "timestamp" timestamptz NOT NULL,
    serial     bigint GENERATED ALWAYS AS IDENTITY,
    action     text  NOT NULL,
    actor_id   text  NOT NULL,
    actor_type text  NOT NULL,
    data       jsonb NOT NULL,
    ip_address text,
    request_id text,
    ttl        timestamptz NOT NULL,
    PRIMARY KEY (account_id, "timestamp", serial)
);
CREATE INDEX audit_logs_serial ON audit_logs (serial DESC);

GRANT SELECT, INSERT, UPDATE, DELETE ON
    queue_messages, queue_keys, queue_dead_letters, api_keys, idempotency_keys, webhook_events
    TO counterfoil_writer, counterfoil_projector;
GRANT SELECT, INSERT ON audit_logs TO counterfoil_writer, counterfoil_projector;

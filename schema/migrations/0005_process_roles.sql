-- Each kind of process logs in as itself and may append only the event types that are its own (I14). A process that is
-- taken over can then lie about its own work, and about nothing else.

CREATE TABLE event_grants (
    role  text NOT NULL,
    topic text NOT NULL,
    PRIMARY KEY (role, topic)
);
COMMENT ON TABLE event_grants IS 'Which database role may append which topic; gateways/roles.py is the same list';

INSERT INTO event_grants
    SELECT 'counterfoil_api', topic FROM unnest(ARRAY[
        'account.registered/1', 'account.renamed/1', 'account.suspended/1', 'account.reactivated/1',
        'account.webhook-url-changed/1', 'account.webhook-secret-rotated/1', 'ledger-account.opened/1',
        'payin.requested/1', 'payin.disabled/1', 'address.assigned/1',
        'payout.requested/1', 'payout.refused/1', 'payout.cancelled/1', 'transfer.posted/1', 'adjustment.posted/1']) AS topic
    UNION ALL
    SELECT 'counterfoil_recorder', topic FROM unnest(ARRAY[
        'deposit.detected/1', 'deposit.confirmed/1', 'deposit.orphaned/1']) AS topic
    UNION ALL
    VALUES ('counterfoil_webhooks', 'account.webhook-disabled/1')
    UNION ALL
    SELECT 'counterfoil_signer', topic FROM unnest(ARRAY[
        'wallet.registered/1', 'payout.prepared/1', 'payout.signed/1', 'payout.broadcast/1', 'payout.expired/1',
        'payout.confirmed/1', 'payout.failed/1']) AS topic;

-- counterfoil_writer may append everything: it belongs to tools that load a history, and no process logs in as it.
CREATE FUNCTION refuse_foreign_topics() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path FROM CURRENT AS $$
DECLARE
    appender CONSTANT text := CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role') END;
    foreign_topic text;
BEGIN
    IF appender = 'counterfoil_writer' THEN
        RETURN NULL;
    END IF;
    SELECT added.topic INTO foreign_topic FROM added
     WHERE NOT EXISTS (SELECT FROM event_grants g WHERE g.role = appender AND g.topic = added.topic) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'role % may not append %', appender, foreign_topic
            USING ERRCODE = 'insufficient_privilege',
                  HINT = 'Each process appends only its own event types (I14): see event_grants.';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER events_are_of_their_process AFTER INSERT ON events
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION refuse_foreign_topics();
ALTER TABLE events ENABLE ALWAYS TRIGGER events_are_of_their_process;

GRANT SELECT ON events, seals, guard, history, addresses, chain_cursors, bookmarks, event_grants
   TO counterfoil_api, counterfoil_recorder, counterfoil_signer, counterfoil_observer, counterfoil_relay,
      counterfoil_webhooks;
GRANT INSERT ON events, seals TO counterfoil_api, counterfoil_recorder, counterfoil_signer, counterfoil_webhooks;
GRANT INSERT, UPDATE ON guard TO counterfoil_api, counterfoil_recorder, counterfoil_signer;

GRANT UPDATE (state) ON addresses TO counterfoil_api;
GRANT INSERT, UPDATE ON addresses TO counterfoil_signer;
GRANT INSERT, UPDATE ON chain_cursors TO counterfoil_observer, counterfoil_signer;
GRANT INSERT, UPDATE ON bookmarks TO counterfoil_signer, counterfoil_relay, counterfoil_webhooks;

GRANT SELECT, INSERT, UPDATE, DELETE ON queue_messages, queue_keys, queue_dead_letters
   TO counterfoil_observer, counterfoil_recorder, counterfoil_relay, counterfoil_signer;
GRANT SELECT, INSERT, UPDATE ON api_keys TO counterfoil_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys TO counterfoil_api;
GRANT SELECT, INSERT, UPDATE ON webhook_events TO counterfoil_api, counterfoil_webhooks;
GRANT SELECT ON accounts, client_events TO counterfoil_webhooks;
GRANT SELECT, INSERT ON audit_logs TO counterfoil_api, counterfoil_signer, counterfoil_recorder, counterfoil_webhooks;

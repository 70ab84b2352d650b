-- Each login does what its process does, and no more (I14, I17). Who may write what stands in the operator's guide, as
-- a table for people; a test holds this database to it. Grants say which verbs and columns, policies which rows.

-- What everybody might call because nobody said otherwise.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC;
GRANT EXECUTE ON FUNCTION begin_append, finish_append
   TO counterfoil_writer, counterfoil_api, counterfoil_recorder, counterfoil_signer, counterfoil_webhooks;

-- The projector came before the other roles, and got what was theirs.
REVOKE ALL ON api_keys, idempotency_keys, webhook_events, audit_logs FROM counterfoil_projector;
REVOKE INSERT, UPDATE ON bookmarks FROM counterfoil_projector;
REVOKE DELETE ON projection_tracking FROM counterfoil_projector;
GRANT INSERT ON audit_logs TO counterfoil_projector;

-- The log of acts is read where it is shown.
REVOKE SELECT ON audit_logs FROM counterfoil_signer, counterfoil_recorder, counterfoil_webhooks;

-- Columns, not tables: whoever may change a whole table may also lock it (LOCK TABLE), and so hold up everybody else.
REVOKE UPDATE ON guard FROM counterfoil_api, counterfoil_recorder, counterfoil_signer;
GRANT UPDATE (balance_minor) ON guard TO counterfoil_api, counterfoil_recorder, counterfoil_signer;
REVOKE INSERT ON seals FROM counterfoil_api, counterfoil_recorder, counterfoil_signer, counterfoil_webhooks;
GRANT INSERT (batch_id, first_position, last_position, previous_hash, hash) ON seals
   TO counterfoil_api, counterfoil_recorder, counterfoil_signer, counterfoil_webhooks;
REVOKE UPDATE ON set_aside_events FROM counterfoil_projector;
GRANT UPDATE (settled_at, settled_by, settled_reason) ON set_aside_events TO counterfoil_projector;
REVOKE UPDATE ON outstanding_reports FROM counterfoil_observer;
GRANT UPDATE (times, due_at) ON outstanding_reports TO counterfoil_observer;

-- A seal covers what stands behind the last one, whole, by its hash (core/ledger/seals.py). Any other would be kept for ever, and
-- no append could follow it. Those who are no process (a restore) are held to it by `counterfoil audit verify`.
CREATE FUNCTION refuse_false_seal() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp AS $$
DECLARE
    appender CONSTANT text := CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role') END;
    head     bigint;
    chained  bytea;
    records  bytea;
BEGIN
    IF NOT EXISTS (SELECT FROM event_grants WHERE role = appender) THEN
        RETURN NEW;
    END IF;
    SELECT last_position, hash INTO head, chained FROM seals ORDER BY last_position DESC LIMIT 1;
    IF NOT FOUND THEN
        head := 0;
        chained := decode(repeat('00', 32), 'hex');
    END IF;
    SELECT string_agg(int8send(notification_id)
                      || int4send(octet_length(convert_to(originator_id, 'UTF8'))) || convert_to(originator_id, 'UTF8')
                      || int8send(originator_version)
                      || int4send(octet_length(convert_to(topic, 'UTF8'))) || convert_to(topic, 'UTF8')
                      || int4send(octet_length(convert_to(state, 'UTF8'))) || convert_to(state, 'UTF8'),
                      ''::bytea ORDER BY notification_id)
      INTO records FROM events WHERE notification_id > head;
    IF NEW.first_position <> head + 1 OR NEW.previous_hash <> chained OR records IS NULL
       OR NEW.last_position <> (SELECT max(notification_id) FROM events)
       OR NEW.hash <> sha256(chained || records) THEN
        RAISE EXCEPTION 'the seal of positions % to % is none of the events behind position %',
                        NEW.first_position, NEW.last_position, head
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'Every append seals its own events, whole (I3).';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER seals_are_of_their_events BEFORE INSERT ON seals FOR EACH ROW EXECUTE FUNCTION refuse_false_seal();
ALTER TABLE seals ENABLE ALWAYS TRIGGER seals_are_of_their_events;

-- A key is made and revoked; whose it is and what it may do never changes.
REVOKE UPDATE ON api_keys FROM counterfoil_api;
GRANT UPDATE (status, last_used_at) ON api_keys TO counterfoil_api;
CREATE FUNCTION refuse_other_key() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF (OLD.status = 'revoked' AND NEW.status <> 'revoked')
       OR (NEW.api_key_hash, NEW.id, NEW.account_id, NEW.permissions, NEW.created_at, NEW.expires_at)
          IS DISTINCT FROM (OLD.api_key_hash, OLD.id, OLD.account_id, OLD.permissions, OLD.created_at, OLD.expires_at) THEN
        RAISE EXCEPTION 'the API key % is what it was made as, and once revoked it stays so', OLD.id
            USING ERRCODE = 'insufficient_privilege', HINT = 'Make a new key.';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER api_keys_stay BEFORE UPDATE ON api_keys FOR EACH ROW EXECUTE FUNCTION refuse_other_key();

-- An address that was given out is never ready again, and none changes its key: coins would arrive for somebody else.
REVOKE UPDATE ON addresses FROM counterfoil_signer;
CREATE FUNCTION refuse_other_address() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF (OLD.state <> 'ready' AND NEW.state IS DISTINCT FROM OLD.state)
       OR (NEW.evm, NEW.base58, NEW.wallet, NEW.key_id) IS DISTINCT FROM (OLD.evm, OLD.base58, OLD.wallet, OLD.key_id) THEN
        RAISE EXCEPTION 'the address % is %, and stays so', OLD.base58, OLD.state
            USING ERRCODE = 'insufficient_privilege', HINT = 'An address is given out once, and keeps its key.';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER addresses_stay BEFORE UPDATE ON addresses FOR EACH ROW EXECUTE FUNCTION refuse_other_address();

-- What a client is told is what was put into the outbox. The API may only ask for it to be sent again.
REVOKE UPDATE ON webhook_events FROM counterfoil_api, counterfoil_webhooks;
GRANT UPDATE (status, next_retry_at) ON webhook_events TO counterfoil_api;
GRANT UPDATE (status, attempts, last_attempt_at, last_error, next_retry_at) ON webhook_events TO counterfoil_webhooks;
ALTER TABLE webhook_events ENABLE ROW LEVEL SECURITY;
CREATE POLICY all_are_read ON webhook_events FOR SELECT USING (true);
CREATE POLICY all_are_put ON webhook_events FOR INSERT WITH CHECK (true);
CREATE POLICY tools ON webhook_events TO counterfoil_writer USING (true);
CREATE POLICY delivered ON webhook_events FOR UPDATE TO counterfoil_webhooks USING (true);
CREATE POLICY asked_for_again ON webhook_events FOR UPDATE TO counterfoil_api USING (true) WITH CHECK (status = 'pending');

-- Bookmarks: each its own, and none beyond what there is (I9).
REVOKE UPDATE ON bookmarks FROM counterfoil_signer, counterfoil_relay, counterfoil_webhooks, counterfoil_checkpointer;
GRANT UPDATE ("position", updated_at) ON bookmarks
   TO counterfoil_signer, counterfoil_relay, counterfoil_webhooks, counterfoil_checkpointer;
ALTER TABLE bookmarks ENABLE ROW LEVEL SECURITY;
CREATE POLICY all_are_read ON bookmarks FOR SELECT USING (true);
CREATE POLICY tools ON bookmarks TO counterfoil_writer USING (true);
CREATE POLICY relay ON bookmarks TO counterfoil_relay USING (name = 'relay')
    WITH CHECK (name = 'relay' AND "position" <= (SELECT max(notification_id) FROM events));
CREATE POLICY webhooks ON bookmarks TO counterfoil_webhooks USING (name IN ('webhooks', 'alarms'))
    WITH CHECK ((name = 'webhooks' AND "position" <= (SELECT max(notification_id) FROM events))
                OR (name = 'alarms' AND "position" <= (SELECT max(id) FROM alarms)));
CREATE POLICY archive ON bookmarks TO counterfoil_checkpointer USING (name = 'checkpoint-archive')
    WITH CHECK (name = 'checkpoint-archive' AND "position" <= (SELECT max(number) FROM checkpoints));
CREATE POLICY signers ON bookmarks TO counterfoil_signer
    USING (name IN ('payouts', 'instructions', 'sweeps') OR starts_with(name, 'solid-log:'))
    WITH CHECK ((name IN ('payouts', 'instructions', 'sweeps') AND "position" <= (SELECT max(notification_id) FROM events))
                OR starts_with(name, 'solid-log:'));

-- The scanner's cursors are the observer's, and the solid one never passes the log of solid blocks (I9). Which chain this is,
-- whoever asks a node first writes down, and nobody changes.
REVOKE UPDATE ON chain_cursors FROM counterfoil_observer, counterfoil_signer;
GRANT UPDATE (last_block_number, last_block_id, unsolid, updated_at) ON chain_cursors TO counterfoil_observer, counterfoil_signer;
ALTER TABLE chain_cursors ENABLE ROW LEVEL SECURITY;
CREATE POLICY all_are_read ON chain_cursors FOR SELECT USING (true);
CREATE POLICY tools ON chain_cursors TO counterfoil_writer USING (true);
CREATE POLICY first_of_its_chain ON chain_cursors FOR INSERT TO counterfoil_signer, counterfoil_observer
    WITH CHECK (id = 'genesis');
CREATE POLICY scanner ON chain_cursors TO counterfoil_observer USING (id <> 'genesis')
    WITH CHECK (id <> 'genesis' AND (id <> 'solid' OR NOT EXISTS (SELECT FROM solid_blocks)
                                     OR last_block_number <= (SELECT max(number) FROM solid_blocks)));

-- The log of solid blocks loses what nobody needs any more, and nothing else: payouts are declared dead by it (I7).
REVOKE DELETE ON solid_transactions FROM counterfoil_observer;
ALTER TABLE solid_blocks ENABLE ROW LEVEL SECURITY;
CREATE POLICY all_are_read ON solid_blocks FOR SELECT USING (true);
CREATE POLICY tools ON solid_blocks TO counterfoil_writer USING (true);
CREATE POLICY observed ON solid_blocks FOR INSERT TO counterfoil_observer WITH CHECK (true);
CREATE POLICY not_needed ON solid_blocks FOR DELETE TO counterfoil_observer
    USING (number < coalesce((SELECT min("position") FROM bookmarks WHERE starts_with(name, 'solid-log:')),
                             9223372036854775807));

-- Queues: who puts and who takes, at each. A taker sends again what it buried.
REVOKE ALL ON queue_messages, queue_keys, queue_dead_letters
  FROM counterfoil_projector, counterfoil_observer, counterfoil_recorder, counterfoil_relay, counterfoil_signer;
GRANT INSERT (queue, group_id, message_key, body) ON queue_messages
   TO counterfoil_observer, counterfoil_relay, counterfoil_recorder, counterfoil_signer, counterfoil_projector;
GRANT SELECT, DELETE, UPDATE (visible_at, receipt, attempts) ON queue_messages
   TO counterfoil_recorder, counterfoil_signer, counterfoil_projector;
GRANT SELECT, INSERT, DELETE, UPDATE (sent_at) ON queue_keys TO counterfoil_observer, counterfoil_relay;
GRANT SELECT, INSERT, DELETE ON queue_dead_letters TO counterfoil_recorder, counterfoil_signer, counterfoil_projector;

ALTER TABLE queue_messages ENABLE ROW LEVEL SECURITY;
CREATE POLICY tools ON queue_messages TO counterfoil_writer USING (true);
CREATE POLICY counted ON queue_messages FOR SELECT TO counterfoil_api USING (true);
CREATE POLICY observer_puts ON queue_messages FOR INSERT TO counterfoil_observer WITH CHECK (queue = 'deposit-events');
CREATE POLICY relay_puts ON queue_messages FOR INSERT TO counterfoil_relay
    WITH CHECK (queue = 'payout-requests' OR starts_with(queue, 'project-'));
CREATE POLICY recorder_takes ON queue_messages TO counterfoil_recorder USING (queue = 'deposit-events')
    WITH CHECK (queue = 'deposit-events' AND (receipt IS NOT NULL OR starts_with(message_key, 'redrive:')));
CREATE POLICY signer_takes ON queue_messages TO counterfoil_signer USING (queue = 'payout-requests')
    WITH CHECK (queue = 'payout-requests' AND (receipt IS NOT NULL OR starts_with(message_key, 'redrive:')));
CREATE POLICY projector_takes ON queue_messages TO counterfoil_projector USING (starts_with(queue, 'project-'))
    WITH CHECK (starts_with(queue, 'project-') AND (receipt IS NOT NULL OR starts_with(message_key, 'redrive:')));

ALTER TABLE queue_keys ENABLE ROW LEVEL SECURITY;
CREATE POLICY tools ON queue_keys TO counterfoil_writer USING (true);
CREATE POLICY observer_puts ON queue_keys TO counterfoil_observer USING (queue = 'deposit-events');
CREATE POLICY relay_puts ON queue_keys TO counterfoil_relay
    USING (queue = 'payout-requests' OR starts_with(queue, 'project-'));

ALTER TABLE queue_dead_letters ENABLE ROW LEVEL SECURITY;
CREATE POLICY tools ON queue_dead_letters TO counterfoil_writer USING (true);
CREATE POLICY counted ON queue_dead_letters FOR SELECT TO counterfoil_api USING (true);
CREATE POLICY recorder_buries ON queue_dead_letters TO counterfoil_recorder USING (queue = 'deposit-events');
CREATE POLICY signer_buries ON queue_dead_letters TO counterfoil_signer USING (queue = 'payout-requests');
CREATE POLICY projector_buries ON queue_dead_letters TO counterfoil_projector USING (starts_with(queue, 'project-'));

-- Receivers of one queue take turns: those of its takers.
REVOKE EXECUTE ON FUNCTION take_queue_turn(text) FROM counterfoil_observer, counterfoil_relay;

-- The API wishes for a rebuild, and the process that works on it says how far it has come.
REVOKE UPDATE ON rebuilds FROM counterfoil_api, counterfoil_projector;
GRANT UPDATE (state, wish, hold, requested_by, requested_at, "position", aim, events_per_second, share_percent, found, error,
              started_at, updated_at, ended_at) ON rebuilds TO counterfoil_api, counterfoil_projector;
CREATE FUNCTION refuse_other_progress() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF current_user <> 'counterfoil_api' THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'INSERT' THEN
        IF NEW.state = 'requested' AND NEW."position" = 0 THEN
            RETURN NEW;
        END IF;
    ELSIF to_jsonb(NEW) - ARRAY['wish', 'hold'] = to_jsonb(OLD) - ARRAY['wish', 'hold'] THEN
        RETURN NEW;
    ELSIF NEW.state = 'requested' AND OLD.state IN ('done', 'failed', 'cancelled', 'rolled back')
          AND NEW."position" IN (0, OLD."position") THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'how far the rebuild of % has come is not the API''s to say', NEW.view
        USING ERRCODE = 'insufficient_privilege', HINT = 'It asks for a rebuild, and wishes for it to go, pause or end.';
END $$;
CREATE TRIGGER rebuilds_are_asked_for BEFORE INSERT OR UPDATE ON rebuilds
    FOR EACH ROW EXECUTE FUNCTION refuse_other_progress();

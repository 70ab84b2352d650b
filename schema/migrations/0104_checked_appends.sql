-- What an INSERT into events can check for little is checked when it is made, for every role: else whoever can append can
-- stop its readers. Measured with tests/bench/engine.py: what it costs is less than two runs of the bench differ by.

-- A JSON object that begins with its time (UTC) and its actor, as every event is written, and of a bearable size. Rows from
-- before are not looked at: what cannot be read of them is set aside.
ALTER TABLE events ADD CONSTRAINT state_is_an_event CHECK (
    octet_length(state) <= 1000000
    AND state LIKE '{"occurred_at":"____-__-__T__:__:__%Z","actor":"%'
    AND state IS JSON OBJECT
) NOT VALID;

-- Which streams an event may stand in, by how their names begin. `counterfoil migrate` writes what the events declare.
CREATE TABLE stream_topics (
    topic  text PRIMARY KEY,
    prefix text NOT NULL
);
COMMENT ON TABLE stream_topics IS 'How the name of a stream begins in which a topic may stand; core/streams/all_events.py is the same list';

-- The last position that was appended, for the check at the end of each transaction that a seal covers it; and the time of the
-- last event, which no append may come before.
CREATE TABLE append_head (
    "position"  bigint NOT NULL,
    occurred_at timestamptz
) WITH (fillfactor = 10);
INSERT INTO append_head VALUES (0);
GRANT SELECT ON append_head TO counterfoil_writer, counterfoil_api, counterfoil_recorder, counterfoil_signer,
      counterfoil_webhooks;

CREATE OR REPLACE FUNCTION refuse_foreign_topics() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp AS $$
DECLARE
    appender CONSTANT text := CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role') END;
    strange record;
    lowest bigint;
    highest bigint;
    many bigint;
    latest text;
BEGIN
    IF appender <> 'counterfoil_writer' THEN
        SELECT a.topic INTO strange FROM added a
         WHERE NOT EXISTS (SELECT FROM event_grants g WHERE g.role = appender AND g.topic = a.topic) LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'role % may not append %', appender, strange.topic
                USING ERRCODE = 'insufficient_privilege',
                      HINT = 'Each process appends only its own event types (I14): see event_grants.';
        END IF;
    END IF;
    SELECT min(notification_id), max(notification_id), count(*), max(split_part(substr(state, 17, 40), '"', 1) COLLATE "C")
      INTO lowest, highest, many, latest FROM added;
    IF many = 0 THEN
        RETURN NULL;
    END IF;
    IF highest - lowest + 1 <> many
       OR (lowest > 1 AND NOT EXISTS (SELECT FROM events WHERE notification_id = lowest - 1)) THEN
        RAISE EXCEPTION 'positions % to % do not follow the history', lowest, highest
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'Positions follow the last seal without a gap (I3).';
    END IF;
    UPDATE append_head SET "position" = highest, occurred_at = latest::timestamptz;
    IF appender = 'counterfoil_writer' THEN
        RETURN NULL;
    END IF;
    SELECT a.topic, a.originator_id INTO strange FROM added a
     WHERE NOT EXISTS (SELECT FROM stream_topics t WHERE t.topic = a.topic AND starts_with(a.originator_id, t.prefix))
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION '% is no event of the stream %', strange.topic, strange.originator_id
            USING ERRCODE = 'check_violation', HINT = 'See stream_topics, which `counterfoil migrate` writes.';
    END IF;
    -- A stamp of another century would stand at the end of every "as of" for ever.
    IF latest > to_char(clock_timestamp() AT TIME ZONE 'UTC' + interval '1 minute', 'YYYY-MM-DD"T"HH24:MI:SS') THEN
        RAISE EXCEPTION 'an event of % would come before its time', latest
            USING ERRCODE = 'check_violation', HINT = 'The clock of the appending host and this server''s differ.';
    END IF;
    RETURN NULL;
END $$;

-- No transaction ends with an event that no seal covers: it would stand in the way of every later append.
CREATE FUNCTION refuse_unsealed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW."position" > 0 AND NOT EXISTS (SELECT FROM seals WHERE last_position >= NEW."position") THEN
        RAISE EXCEPTION 'the event at position % has no seal', NEW."position"
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'Every event is sealed by the append that writes it (I3).';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER events_are_sealed AFTER UPDATE ON append_head DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION refuse_unsealed();
ALTER TABLE append_head ENABLE ALWAYS TRIGGER events_are_sealed;

GRANT SELECT ON stream_topics TO counterfoil_reader, counterfoil_writer, counterfoil_api, counterfoil_recorder,
      counterfoil_signer, counterfoil_webhooks;

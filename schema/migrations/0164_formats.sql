-- compatible_from: 0150
-- Two versions run side by side (I22). What may be written is a level (core/ledger/events.py): `counterfoil upgrade finish` raises
-- it by one event, and what stands behind that event an older program does not read.

CREATE TABLE format_levels (
    level int    PRIMARY KEY CHECK (level > 0),
    since bigint NOT NULL CHECK (since >= 0)
);
COMMENT ON TABLE format_levels IS 'The format levels of the history, and the position of the event that raised each; 0: it was made with it';
GRANT SELECT ON format_levels TO counterfoil_reader, counterfoil_writer, counterfoil_api, counterfoil_recorder, counterfoil_signer,
      counterfoil_observer, counterfoil_relay, counterfoil_webhooks, counterfoil_checkpointer, counterfoil_projector;

ALTER TABLE stream_topics ADD COLUMN level int NOT NULL DEFAULT 1;
COMMENT ON COLUMN stream_topics.level IS 'The format level from which the topic is written';

CREATE FUNCTION note_format() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO format_levels
    SELECT raised.level::int, NEW.notification_id FROM (SELECT NEW.state::json ->> 'level' AS level) AS raised
     WHERE raised.level IS NOT NULL ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER formats_are_noted AFTER INSERT ON events FOR EACH ROW WHEN (NEW.topic = 'format.raised/1')
    EXECUTE FUNCTION note_format();
ALTER TABLE events ENABLE ALWAYS TRIGGER formats_are_noted;

-- An append says up to which level its program reads; who says nothing is of the time before there were levels. The error's class
-- is one that every program waits at: it answers 503, and goes on once it is the new version.
CREATE FUNCTION refuse_other_formats() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    appender CONSTANT text := CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role') END;
    reads    CONSTANT int := coalesce(nullif(current_setting('counterfoil.format_level', true), ''), '1')::int;
    raised   int;
    allowed  int;
    strange  text;
BEGIN
    IF appender = 'counterfoil_writer' THEN
        RETURN NULL;
    END IF;
    SELECT max(level), max(level) FILTER (WHERE since > 0) INTO allowed, raised FROM format_levels;
    IF reads < raised THEN
        RAISE EXCEPTION 'installed by a newer version: the history has format level %, and this program reads up to %', raised, reads
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Install the newer version here, too.';
    END IF;
    IF EXISTS (SELECT FROM stream_topics WHERE level > allowed) THEN
        SELECT a.topic INTO strange FROM added a JOIN stream_topics t ON t.topic = a.topic WHERE t.level > allowed LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION '% is not written before the upgrade is finished', strange
                USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'See `counterfoil upgrade status`.';
        END IF;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER events_are_of_their_format AFTER INSERT ON events
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION refuse_other_formats();
ALTER TABLE events ENABLE ALWAYS TRIGGER events_are_of_their_format;

-- Which process runs in which version, as each says of itself. A row stays when its process has ended: `upgrade finish` asks who
-- was seen within the hour.
CREATE TABLE processes (
    process      text        NOT NULL,
    instance     text        NOT NULL,
    role         text        NOT NULL DEFAULT current_user,
    version      text        NOT NULL,
    migration    int         NOT NULL,
    format_level int         NOT NULL,
    waits_for    text        NOT NULL DEFAULT '',
    started_at   timestamptz NOT NULL DEFAULT now(),
    seen_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (process, instance)
);
COMMENT ON COLUMN processes.instance IS 'Host and process number';
COMMENT ON COLUMN processes.migration IS 'The newest migration that the program has';
COMMENT ON COLUMN processes.format_level IS 'The newest format level that it reads';
COMMENT ON COLUMN processes.waits_for IS 'What of a newer version it stands before; empty while it reads on';
GRANT SELECT ON processes TO counterfoil_reader;
GRANT SELECT, INSERT (process, instance, version, migration, format_level, waits_for), UPDATE (waits_for, seen_at), DELETE
   ON processes TO counterfoil_api, counterfoil_recorder, counterfoil_signer, counterfoil_observer, counterfoil_relay,
      counterfoil_webhooks, counterfoil_checkpointer, counterfoil_projector;
ALTER TABLE processes ENABLE ROW LEVEL SECURITY;
CREATE POLICY all_are_read ON processes FOR SELECT USING (true);
CREATE POLICY tools ON processes TO counterfoil_writer USING (true);
CREATE POLICY own_is_said ON processes FOR INSERT WITH CHECK (role = current_user);
CREATE POLICY own_is_renewed ON processes FOR UPDATE USING (role = current_user);
CREATE POLICY own_is_forgotten ON processes FOR DELETE USING (role = current_user AND seen_at < now() - interval '1 day');

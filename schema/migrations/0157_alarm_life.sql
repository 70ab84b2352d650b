-- compatible_from: 0150
-- An alarm has a life: it begins, is repeated on its own row, ends by itself or by quiet, and a person may take it. What happens to
-- it is a row of alarm_changes, whose ids come from the alarms' own sequence: who reads behind the last id passes none over, and an
-- older program, which follows the alarms' ids, may use the same bookmark (I22).
ALTER TABLE alarms
    ADD COLUMN about           text NOT NULL DEFAULT '' CHECK (length(about) <= 200),
    ADD COLUMN ends            text NOT NULL DEFAULT 'quiet' CHECK (ends IN ('itself', 'quiet', 'person')),
    ADD COLUMN ended_at        timestamptz,
    ADD COLUMN ended_by        text,
    ADD COLUMN acknowledged_at timestamptz,
    ADD COLUMN acknowledged_by text,
    ADD COLUMN note            text;
COMMENT ON TABLE alarms IS 'The last 10,000 alarms that are over, and those that are open; a repetition is counted, not multiplied';
COMMENT ON COLUMN alarms.about IS 'Of which thing, where there may be several';
COMMENT ON COLUMN alarms.ends IS 'itself: who raised it says so; quiet: an hour without a repetition; person: somebody has looked';

-- What was raised before is over: what still holds rings again.
UPDATE alarms SET ended_at = now(), ended_by = 'an upgrade';
CREATE INDEX open_alarms ON alarms (name, role, about) WHERE ended_at IS NULL;

CREATE TABLE alarm_changes (
    id       bigint PRIMARY KEY,
    alarm_id bigint NOT NULL REFERENCES alarms ON DELETE CASCADE,
    change   text   NOT NULL CHECK (change IN ('raised', 'ended', 'acknowledged')),
    at       timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX alarm_changes_of ON alarm_changes (alarm_id);
INSERT INTO alarm_changes SELECT id, id, 'raised', raised_at FROM alarms;
GRANT SELECT ON alarm_changes TO counterfoil_reader, counterfoil_webhooks;
GRANT SELECT ON alarms TO counterfoil_api;

ALTER POLICY webhooks ON bookmarks
    WITH CHECK ((name = 'webhooks' AND "position" <= (SELECT max(notification_id) FROM events))
                OR (name = 'alarms' AND "position" <= (SELECT max(id) FROM alarm_changes)));

CREATE FUNCTION alarm_raiser() RETURNS text LANGUAGE sql STABLE SET search_path = public, pg_temp AS
$$ SELECT CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role') END $$;

CREATE FUNCTION note_alarm_change(alarm bigint, what text) RETURNS void LANGUAGE sql SET search_path = public, pg_temp AS $$
    INSERT INTO alarm_changes (id, alarm_id, change)
    VALUES (CASE what WHEN 'raised' THEN alarm ELSE nextval(pg_get_serial_sequence('alarms', 'id')) END, alarm, what)
$$;

-- True where it is new. One at a time: ids are in commit order (I9).
CREATE FUNCTION raise_alarm(alarm text, told text, subject text, how_it_ends text, since timestamptz) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    raiser CONSTANT text := alarm_raiser();
    words  CONSTANT text := left(told, 1000);
    added bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(x'436F756E74657241'::bigint);
    INSERT INTO alarm_totals AS known VALUES (alarm, 1) ON CONFLICT (name) DO UPDATE SET times = known.times + 1;
    UPDATE alarms SET times = times + 1, last_raised_at = now(), sentence = words
     WHERE id = (SELECT max(id) FROM alarms
                  WHERE ended_at IS NULL AND name = alarm AND role = raiser AND about = left(subject, 200)
                    AND (how_it_ends <> 'person' OR subject <> '' OR sentence = words));
    IF FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO alarms (name, sentence, role, about, ends, raised_at, last_raised_at)
    VALUES (alarm, words, raiser, left(subject, 200), how_it_ends, least(coalesce(since, now()), now()), now()) RETURNING id INTO added;
    PERFORM note_alarm_change(added, 'raised');
    DELETE FROM alarms WHERE id <= added - 10000 AND (ended_at IS NOT NULL OR id <= added - 100000);
    RETURN true;
END $$;

-- What an older program says: which thing it is about stands in its sentence alone.
CREATE OR REPLACE FUNCTION raise_alarm(alarm text, told text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp SET lock_timeout = '2s' AS $$
BEGIN
    PERFORM raise_alarm(alarm, told, told, 'quiet', now());
END $$;

-- Who raised it says that it is over: of a login's own alarms, and of those only that end by themselves. -> how many.
CREATE FUNCTION end_alarm(alarm text, subject text) RETURNS int LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    over bigint[];
BEGIN
    IF NOT EXISTS (SELECT FROM alarms WHERE ended_at IS NULL AND name = alarm AND role = alarm_raiser()
                      AND about = left(subject, 200) AND ends = 'itself') THEN
        RETURN 0;
    END IF;
    PERFORM pg_advisory_xact_lock(x'436F756E74657241'::bigint);
    WITH ended AS (
        UPDATE alarms SET ended_at = now(), ended_by = alarm_raiser()
         WHERE ended_at IS NULL AND name = alarm AND role = alarm_raiser() AND about = left(subject, 200) AND ends = 'itself'
        RETURNING id)
    SELECT array_agg(id ORDER BY id) INTO over FROM ended;
    PERFORM note_alarm_change(each, 'ended') FROM unnest(over) AS each;
    RETURN coalesce(cardinality(over), 0);
END $$;

-- Of this login's alarms of a name, which begin with `within`, these stand, and no other. -> what is new, what is over.
CREATE FUNCTION stand_alarms(alarm text, subjects text[], told text[], since timestamptz[], within text)
    RETURNS TABLE (subject text, change text) LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    raiser CONSTANT text := alarm_raiser();
    each record;
BEGIN
    FOR each IN SELECT a.about FROM alarms a
                 WHERE a.ended_at IS NULL AND a.name = alarm AND a.role = raiser AND a.ends = 'itself'
                   AND starts_with(a.about, within) AND a.about <> ALL (SELECT left(s, 200) FROM unnest(subjects) s) LOOP
        IF end_alarm(alarm, each.about) > 0 THEN
            RETURN QUERY SELECT each.about, 'ended'::text;
        END IF;
    END LOOP;
    FOR each IN SELECT left(s.about, 200) AS about, s.words, s.at FROM unnest(subjects, told, since) AS s (about, words, at) LOOP
        -- A look that finds the same is no new cry: only the words and the time move.
        UPDATE alarms SET sentence = left(each.words, 1000), last_raised_at = now()
         WHERE ended_at IS NULL AND name = alarm AND role = raiser AND about = each.about;
        IF NOT FOUND AND raise_alarm(alarm, each.words, each.about, 'itself', each.at) THEN
            RETURN QUERY SELECT each.about, 'raised'::text;
        END IF;
    END LOOP;
END $$;

-- A person has taken it; what nobody else can end is over with that, and so is what `over` says.
CREATE FUNCTION acknowledge_alarm(alarm bigint, who text, words text, over boolean) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    how text;
BEGIN
    PERFORM pg_advisory_xact_lock(x'436F756E74657241'::bigint);
    UPDATE alarms SET acknowledged_at = now(), acknowledged_by = left(who, 200), note = left(words, 500)
     WHERE id = alarm AND acknowledged_at IS NULL RETURNING ends INTO how;
    IF FOUND THEN
        PERFORM note_alarm_change(alarm, 'acknowledged');
    END IF;
    UPDATE alarms SET ended_at = now(), ended_by = left(who, 200)
     WHERE id = alarm AND ended_at IS NULL AND acknowledged_at IS NOT NULL AND (over OR ends = 'person');
    IF FOUND THEN
        PERFORM note_alarm_change(alarm, 'ended');
        RETURN true;
    END IF;
    RETURN how IS NOT NULL;
END $$;

-- Quiet ends what nobody repeats: after an hour, or after a day where who would have ended it is gone. -> how many.
CREATE FUNCTION end_quiet_alarms() RETURNS int LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    over bigint[];
BEGIN
    IF NOT EXISTS (SELECT FROM alarms WHERE ended_at IS NULL AND ends <> 'person' AND last_raised_at < now() -
                      CASE ends WHEN 'quiet' THEN interval '1 hour' ELSE interval '1 day' END) THEN
        RETURN 0;
    END IF;
    PERFORM pg_advisory_xact_lock(x'436F756E74657241'::bigint);
    WITH ended AS (
        UPDATE alarms SET ended_at = now(), ended_by = 'quiet' WHERE ended_at IS NULL AND ends <> 'person'
           AND last_raised_at < now() - CASE ends WHEN 'quiet' THEN interval '1 hour' ELSE interval '1 day' END
        RETURNING id)
    SELECT array_agg(id ORDER BY id) INTO over FROM ended;
    PERFORM note_alarm_change(each, 'ended') FROM unnest(over) AS each;
    RETURN coalesce(cardinality(over), 0);
END $$;

REVOKE ALL ON FUNCTION raise_alarm(text, text, text, text, timestamptz), end_alarm(text, text),
    stand_alarms(text, text[], text[], timestamptz[], text), acknowledge_alarm(bigint, text, text, boolean), end_quiet_alarms(),
    alarm_raiser(), note_alarm_change(bigint, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION raise_alarm(text, text, text, text, timestamptz), end_alarm(text, text),
    stand_alarms(text, text[], text[], timestamptz[], text)
   TO counterfoil_writer, counterfoil_projector, counterfoil_reader, counterfoil_api, counterfoil_recorder, counterfoil_signer,
      counterfoil_observer, counterfoil_relay, counterfoil_webhooks, counterfoil_checkpointer;
GRANT EXECUTE ON FUNCTION acknowledge_alarm(bigint, text, text, boolean) TO counterfoil_writer, counterfoil_api;
GRANT EXECUTE ON FUNCTION end_quiet_alarms() TO counterfoil_writer, counterfoil_webhooks;

-- What a person must look at. Every process may raise an alarm, as itself only, and none can change or remove one: the
-- function below is the only way in. A process that is taken over can ring; what others rang stands (I14).
CREATE TABLE alarms (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name           text   NOT NULL CHECK (name ~ '^[a-z][a-z0-9_]{0,62}$'),
    sentence       text   NOT NULL CHECK (length(sentence) <= 1000),
    role           text   NOT NULL,
    times          bigint NOT NULL DEFAULT 1,
    raised_at      timestamptz NOT NULL DEFAULT now(),
    last_raised_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE alarms IS 'The last 10,000 alarms; one that is repeated within a minute is counted, not multiplied';
CREATE INDEX alarms_repeats ON alarms (name, raised_at);

-- A counter must never fall, whatever leaves the table above.
CREATE TABLE alarm_totals (
    name  text   PRIMARY KEY,
    times bigint NOT NULL
);

CREATE FUNCTION raise_alarm(alarm text, told text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    raiser CONSTANT text := CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role') END;
    added bigint;
BEGIN
    -- One at a time: ids are in commit order, so that who reads behind the last id passes none over (I9).
    PERFORM pg_advisory_xact_lock(x'436F756E74657241'::bigint);
    UPDATE alarms SET times = times + 1, last_raised_at = now()
     WHERE id = (SELECT max(id) FROM alarms WHERE name = alarm AND sentence = left(told, 1000) AND role = raiser
                    AND raised_at > now() - interval '1 minute');
    IF NOT FOUND THEN
        INSERT INTO alarms (name, sentence, role) VALUES (alarm, left(told, 1000), raiser) RETURNING id INTO added;
        DELETE FROM alarms WHERE id <= added - 10000;
    END IF;
    INSERT INTO alarm_totals AS known VALUES (alarm, 1) ON CONFLICT (name) DO UPDATE SET times = known.times + 1;
END $$;
REVOKE ALL ON FUNCTION raise_alarm(text, text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION raise_alarm(text, text)
   TO counterfoil_writer, counterfoil_projector, counterfoil_reader, counterfoil_api, counterfoil_recorder,
      counterfoil_signer, counterfoil_observer, counterfoil_relay, counterfoil_webhooks;
GRANT SELECT ON alarms, alarm_totals TO counterfoil_reader, counterfoil_webhooks;

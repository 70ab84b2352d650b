-- An append's two calls (gateways/postgres.py). A call costs its writer far more than what it does, and a server that plans
-- each statement anew more than that: eleven statements became four. Both run with the rights of whoever calls them (I14).

CREATE FUNCTION begin_append(
    wanted_streams text[], wanted_accounts uuid[], patience text,
    OUT head bigint, OUT head_hash bytea,
    OUT positions bigint[], OUT streams text[], OUT versions bigint[], OUT topics text[], OUT states text[],
    OUT accounts uuid[], OUT currencies text[], OUT balances bigint[]
) LANGUAGE plpgsql AS $$
BEGIN
    -- Position order is commit order: no other append decides, or reads what it decides by, until this one has ended.
    -- Each statement below sees what was committed when it begins, which is after the lock was granted.
    PERFORM pg_advisory_xact_lock(4859231640215712358);
    -- A writer that froze must let go too. Not idle_in_transaction_session_timeout: the Flush that psycopg sends after a
    -- pipeline's Sync turns that clock off again (measured with PostgreSQL 18).
    IF current_setting('server_version_num')::int >= 170000 THEN
        PERFORM set_config('transaction_timeout', patience, true);
    END IF;
    SELECT s.last_position, s.hash INTO head, head_hash FROM seals s ORDER BY s.last_position DESC LIMIT 1;
    SELECT array_agg(e.notification_id), array_agg(e.originator_id), array_agg(e.originator_version), array_agg(e.topic),
           array_agg(e.state)
      INTO positions, streams, versions, topics, states
      FROM (SELECT * FROM events WHERE originator_id = ANY (wanted_streams)
             ORDER BY originator_id, originator_version) AS e;
    SELECT array_agg(g.ledger_account_id), array_agg(g.currency), array_agg(g.balance_minor)
      INTO accounts, currencies, balances
      FROM guard g WHERE g.ledger_account_id = ANY (wanted_accounts);
END $$;

CREATE FUNCTION finish_append(
    batch uuid, first_of_batch bigint, last_of_batch bigint, previous bytea, hash bytea,
    after bigint, streams text[], versions bigint[], topics text[], states text[],
    opened uuid[], opened_currencies text[], moved uuid[], moved_currencies text[], deltas bigint[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    found_rows bigint;
BEGIN
    INSERT INTO events (originator_id, originator_version, topic, state, notification_id)
    SELECT added.stream, added.version, added.topic, added.state, after + added.place
      FROM unnest(streams, versions, topics, states) WITH ORDINALITY AS added (stream, version, topic, state, place);
    IF cardinality(opened) > 0 THEN
        INSERT INTO guard (ledger_account_id, currency, balance_minor)
        SELECT made.id, made.currency, 0 FROM unnest(opened, opened_currencies) AS made (id, currency);
    END IF;
    IF cardinality(moved) > 0 THEN
        UPDATE guard g SET balance_minor = g.balance_minor + change.delta_minor
          FROM unnest(moved, moved_currencies, deltas) AS change (id, currency, delta_minor)
         WHERE g.ledger_account_id = change.id AND g.currency = change.currency;
        GET DIAGNOSTICS found_rows = ROW_COUNT;
        IF found_rows <> cardinality(moved) THEN
            RAISE EXCEPTION '% guard rows are there of % that moved', found_rows, cardinality(moved)
                USING ERRCODE = 'integrity_constraint_violation', HINT = 'The guard is not what the events make it (I4).';
        END IF;
    END IF;
    INSERT INTO seals (batch_id, first_position, last_position, previous_hash, hash)
    VALUES (batch, first_of_batch, last_of_batch, previous, hash);
    NOTIFY counterfoil_events;
END $$;

-- Advisory locks belong to those who need them. `counterfoil migrate` takes EXECUTE on pg_advisory_* from the public, where its
-- login may; what remains are these three, each with one lock, for the roles that work under it.

CREATE FUNCTION take_append_lock() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(4859231640215712358);
END $$;
REVOKE ALL ON FUNCTION take_append_lock() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION take_append_lock()
   TO counterfoil_writer, counterfoil_api, counterfoil_recorder, counterfoil_signer, counterfoil_webhooks;

-- Receivers of one queue take turns.
CREATE FUNCTION take_queue_turn(queue text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(queue, 1));
END $$;
REVOKE ALL ON FUNCTION take_queue_turn(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION take_queue_turn(text)
   TO counterfoil_writer, counterfoil_observer, counterfoil_recorder, counterfoil_relay, counterfoil_signer,
      counterfoil_projector;

-- One worker a view: the claim is the session's, and ends with it.
CREATE FUNCTION claim_views(wanted text[]) RETURNS SETOF text LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT view FROM unnest(wanted) AS view WHERE pg_try_advisory_lock(hashtextextended(view, 31));
END $$;
REVOKE ALL ON FUNCTION claim_views(text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION claim_views(text[]) TO counterfoil_writer, counterfoil_projector;

-- Columns are only ever added at the end: a program of before reads the first ones.
DROP FUNCTION begin_append(text[], uuid[], text);
CREATE FUNCTION begin_append(
    wanted_streams text[], wanted_accounts uuid[], patience text,
    OUT head bigint, OUT head_hash bytea,
    OUT positions bigint[], OUT streams text[], OUT versions bigint[], OUT topics text[], OUT states text[],
    OUT accounts uuid[], OUT currencies text[], OUT balances bigint[],
    OUT server_us bigint, OUT last_us bigint
) LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    -- Position order is commit order: no other append decides, or reads what it decides by, until this one has ended.
    -- Each statement below sees what was committed when it begins, which is after the lock was granted.
    PERFORM take_append_lock();
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
    SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, (extract(epoch FROM h.occurred_at) * 1000000)::bigint
      INTO server_us, last_us FROM append_head h;
END $$;

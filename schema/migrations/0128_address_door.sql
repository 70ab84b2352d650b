-- Deposit addresses are given out only while a signer has opened the pool: for this run of the server and for this database, so that
-- no copy is open before a signer has looked at it (signers/address_door.py). One row.
CREATE TABLE address_door (
    one            boolean     PRIMARY KEY DEFAULT true CHECK (one),
    server_started timestamptz,
    database       oid,
    given_up_to    bigint      NOT NULL DEFAULT 0 CHECK (given_up_to >= 0),
    first_index    bigint      NOT NULL DEFAULT 0 CHECK (first_index >= 0)
);
COMMENT ON COLUMN address_door.server_started IS 'Of the server to which it was opened; NULL while it is shut';
COMMENT ON COLUMN address_door.given_up_to IS 'The last position at which this store was doubted, and what was ready then was given up for it';
COMMENT ON COLUMN address_door.first_index IS 'Below it no address is derived any more: a later store may have';
INSERT INTO address_door DEFAULT VALUES;
GRANT SELECT ON address_door TO counterfoil_api, counterfoil_signer, counterfoil_reader, counterfoil_writer;

CREATE FUNCTION address_door_is_open() RETURNS boolean LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT EXISTS (SELECT FROM address_door WHERE server_started = pg_postmaster_start_time()
                      AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
$$;

CREATE FUNCTION open_address_door() RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE address_door SET server_started = pg_postmaster_start_time(),
           database = (SELECT oid FROM pg_database WHERE datname = current_database())
     WHERE NOT address_door_is_open()
$$;

CREATE FUNCTION shut_address_door() RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE address_door SET server_started = NULL, database = NULL WHERE server_started IS NOT NULL
$$;

-- What was ready may have been given out by a later store of the same name. It stays ours, and is never given out here.
CREATE FUNCTION give_up_ready_addresses(doubted_at bigint, next_index bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE address_door SET given_up_to = greatest(given_up_to, doubted_at), first_index = greatest(first_index, next_index),
           server_started = NULL, database = NULL;
    UPDATE addresses SET state = 'taken' WHERE state = 'ready';
$$;

-- So may have been an address that was given out to nobody here, and holds coins.
CREATE FUNCTION give_up_used_addresses() RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE addresses SET state = 'taken' WHERE state = 'ready' AND base58 IN (SELECT address FROM address_holdings)
$$;

REVOKE EXECUTE ON FUNCTION address_door_is_open, open_address_door, shut_address_door, give_up_ready_addresses,
    give_up_used_addresses FROM PUBLIC;
GRANT EXECUTE ON FUNCTION address_door_is_open
   TO counterfoil_api, counterfoil_signer, counterfoil_reader, counterfoil_writer;
GRANT EXECUTE ON FUNCTION open_address_door, shut_address_door, give_up_ready_addresses, give_up_used_addresses
   TO counterfoil_signer, counterfoil_writer;

-- How far the scanner should have come, by what its nodes told it since the server was started; and how far the view has.
GRANT SELECT ON node_states, projection_tracking TO counterfoil_signer;

-- Blue and green: a new version of a view's tables is built in schema `building` and swapped with the serving ones in one
-- transaction; what served before waits in `retired` for a rollback. The projector owns nothing and can alter nothing: it
-- calls these functions, which know the views' tables and no others (I2).
CREATE SCHEMA building;
CREATE SCHEMA retired;
CREATE SCHEMA passing;
COMMENT ON SCHEMA building IS 'New versions of views, until they serve';
COMMENT ON SCHEMA retired IS 'The version of each view that served before, for a rollback';
COMMENT ON SCHEMA passing IS 'Versions on their way from one of the others; empty between swaps';
GRANT USAGE ON SCHEMA building, retired TO counterfoil_projector;

CREATE TABLE view_tables (
    view       text NOT NULL REFERENCES projection_tracking,
    place      int  NOT NULL,
    table_name text NOT NULL UNIQUE,
    grows      boolean NOT NULL,
    PRIMARY KEY (view, place)
);
COMMENT ON TABLE view_tables IS 'Every table of every view, those first that others refer to: `migrate` writes here what the program says';
COMMENT ON COLUMN view_tables.grows IS 'Rows are only added: while it is built, such a table needs no index';

-- One row per view that was ever rebuilt. An operator writes `wish`, the process that works on it everything else.
CREATE TABLE rebuilds (
    view              text PRIMARY KEY REFERENCES projection_tracking,
    state             text NOT NULL CHECK (state IN ('requested', 'building', 'indexing', 'verifying', 'verified', 'done',
                                                     'failed', 'cancelled', 'rolled back')),
    wish              text NOT NULL CHECK (wish IN ('go', 'pause', 'cancel', 'roll back')),
    hold              boolean NOT NULL,
    requested_by      text NOT NULL,
    requested_at      timestamptz NOT NULL DEFAULT now(),
    "position"        bigint NOT NULL DEFAULT 0,
    aim               bigint NOT NULL DEFAULT 0,
    events_per_second bigint NOT NULL DEFAULT 0,
    share_percent     int    NOT NULL DEFAULT 100 CHECK (share_percent BETWEEN 1 AND 100),
    found             jsonb,
    error             text,
    started_at        timestamptz,
    updated_at        timestamptz NOT NULL DEFAULT now(),
    ended_at          timestamptz
) WITH (fillfactor = 50);
COMMENT ON COLUMN rebuilds.hold IS 'Wait, once verified, for the operator to say go';
COMMENT ON COLUMN rebuilds.share_percent IS 'The part of its time that a rebuild takes, so that requests stay fast';
COMMENT ON COLUMN rebuilds.found IS 'Rows by table, and how they differ from those that serve, at the same position';

CREATE TABLE retired_views (
    view       text PRIMARY KEY REFERENCES projection_tracking,
    "position" bigint NOT NULL,
    retired_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE retired_views IS 'Which views can be rolled back, and to which position';

-- I1 holds in whatever schema postings stand.
ALTER TABLE unproven_entries ADD COLUMN in_schema text NOT NULL DEFAULT 'public';
CREATE OR REPLACE FUNCTION note_unbalanced_insert() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO unproven_entries
        SELECT DISTINCT journal_entry_id, TG_TABLE_SCHEMA FROM added GROUP BY journal_entry_id, currency
        HAVING sum(CASE side WHEN 'debit' THEN amount_minor ELSE -amount_minor END) <> 0;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION note_unbalanced_delete() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO unproven_entries
        SELECT DISTINCT journal_entry_id, TG_TABLE_SCHEMA FROM removed GROUP BY journal_entry_id, currency
        HAVING sum(CASE side WHEN 'debit' THEN amount_minor ELSE -amount_minor END) <> 0;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION note_update() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO unproven_entries
        SELECT journal_entry_id, TG_TABLE_SCHEMA FROM removed UNION SELECT journal_entry_id, TG_TABLE_SCHEMA FROM added;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION prove_entry() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp AS $$
DECLARE
    wrong record;
BEGIN
    EXECUTE format('SELECT currency, sum(CASE side WHEN ''debit'' THEN amount_minor ELSE -amount_minor END) AS difference'
                   '  FROM %I.postings WHERE journal_entry_id = $1 GROUP BY currency'
                   ' HAVING sum(CASE side WHEN ''debit'' THEN amount_minor ELSE -amount_minor END) <> 0 LIMIT 1', NEW.in_schema)
       INTO wrong USING NEW.journal_entry_id;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'journal entry % is off by % %: debits must equal credits',
                        NEW.journal_entry_id, wrong.difference, wrong.currency
            USING ERRCODE = 'check_violation', CONSTRAINT = 'debits_equal_credits';
    END IF;
    DELETE FROM unproven_entries WHERE journal_entry_id = NEW.journal_entry_id AND in_schema = NEW.in_schema;
    RETURN NULL;
END $$;

-- Empty twins of a view's tables, with their columns, checks and grants. Of the indexes only the primary keys, and those only
-- where rows change while they are built: the others are made faster at the end, and so are foreign keys and triggers.
CREATE FUNCTION make_view_tables(of_view text, target text) RETURNS void LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    each    record;
    held    record;
    options text;
BEGIN
    FOR each IN SELECT table_name AS name, grows FROM public.view_tables WHERE view = of_view ORDER BY place LOOP
        EXECUTE format('CREATE TABLE %I.%I (LIKE public.%2$I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED'
                       ' INCLUDING STORAGE INCLUDING COMPRESSION INCLUDING COMMENTS)', target, each.name);
        SELECT array_to_string(reloptions, ', ') INTO options
          FROM pg_class WHERE oid = format('public.%I', each.name)::regclass;
        IF options IS NOT NULL THEN
            EXECUTE format('ALTER TABLE %I.%I SET (%s)', target, each.name, options);
        END IF;
        FOR held IN SELECT grantee::regrole AS role, string_agg(privilege_type, ', ') AS privileges
                      FROM pg_class, aclexplode(relacl)
                     WHERE oid = format('public.%I', each.name)::regclass AND grantee <> relowner GROUP BY 1 LOOP
            EXECUTE format('GRANT %s ON %I.%I TO %s', held.privileges, target, each.name, held.role);
        END LOOP;
        IF NOT each.grows THEN
            PERFORM public.add_view_constraints(each.name, target, '{p}');
        END IF;
    END LOOP;
END $$;

CREATE FUNCTION add_view_constraints(of_table text, target text, kinds text[]) RETURNS void LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    each record;
BEGIN
    FOR each IN SELECT conname AS name, pg_get_constraintdef(oid) AS definition FROM pg_constraint AS c
                 WHERE conrelid = format('public.%I', of_table)::regclass AND contype = ANY (kinds)
                   AND NOT EXISTS (SELECT FROM pg_constraint AS made WHERE made.conname = c.conname
                                      AND made.conrelid = format('%I.%I', target, of_table)::regclass)
                 ORDER BY contype, conname LOOP
        EXECUTE format('ALTER TABLE %I.%I ADD CONSTRAINT %I %s', target, of_table, each.name,
                       replace(each.definition, ' REFERENCES public.', format(' REFERENCES %I.', target)));
    END LOOP;
END $$;

-- What a table still lacks to serve: keys, indexes, foreign keys, triggers, statistics. Doing it twice is harmless.
CREATE FUNCTION finish_view_table(of_table text, target text) RETURNS void LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    each   record;
    source CONSTANT regclass := format('public.%I', of_table);
    made   CONSTANT regclass := format('%I.%I', target, of_table);
BEGIN
    PERFORM public.add_view_constraints(of_table, target, '{p,u}');
    FOR each IN SELECT pg_get_indexdef(indexrelid) AS definition FROM pg_index JOIN pg_class AS c ON c.oid = indexrelid
                 WHERE indrelid = source AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
                   AND NOT EXISTS (SELECT FROM pg_index AS i JOIN pg_class AS m ON m.oid = i.indexrelid
                                    WHERE i.indrelid = made AND m.relname = c.relname)
                 ORDER BY c.relname LOOP
        EXECUTE regexp_replace(each.definition, ' ON (ONLY )?public\.\S+ USING ', format(' ON %s USING ', made));
    END LOOP;
    PERFORM public.add_view_constraints(of_table, target, '{f}');
    FOR each IN SELECT pg_get_triggerdef(oid) AS definition FROM pg_trigger AS t
                 WHERE tgrelid = source AND NOT tgisinternal
                   AND NOT EXISTS (SELECT FROM pg_trigger AS m WHERE m.tgrelid = made AND m.tgname = t.tgname) LOOP
        EXECUTE regexp_replace(each.definition, ' ON public\.\S+ ', format(' ON %s ', made));
    END LOOP;
    EXECUTE format('ANALYZE %s', made);
END $$;

CREATE FUNCTION drop_view_tables(of_view text, target text) RETURNS void LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    each text;
BEGIN
    FOR each IN SELECT table_name FROM public.view_tables WHERE view = of_view ORDER BY place DESC LOOP
        EXECUTE format('DROP TABLE IF EXISTS %I.%I', target, each);
    END LOOP;
END $$;

CREATE FUNCTION move_view_tables(of_view text, source text, target text) RETURNS void LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    each text;
BEGIN
    FOR each IN SELECT table_name FROM public.view_tables WHERE view = of_view ORDER BY place LOOP
        EXECUTE format('ALTER TABLE %I.%I SET SCHEMA %I', source, each, target);
    END LOOP;
END $$;

-- The doors for the projector: names of schemas are fixed here, names of tables come from view_tables.
CREATE FUNCTION begin_version(of_view text) RETURNS void LANGUAGE sql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
    SELECT public.drop_view_tables(of_view, 'building');
    SELECT public.make_view_tables(of_view, 'building');
$$;
CREATE FUNCTION finish_version(of_table text) RETURNS void LANGUAGE sql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
    SELECT public.finish_view_table(table_name, 'building') FROM public.view_tables WHERE table_name = of_table;
$$;
CREATE FUNCTION drop_version(of_view text) RETURNS void LANGUAGE sql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
    SELECT public.drop_view_tables(of_view, 'building');
$$;
-- The version before the one before: dropped after a swap, not within it, because deleting its files would hold the readers.
CREATE FUNCTION drop_passed(of_view text) RETURNS void LANGUAGE sql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
    SELECT public.drop_view_tables(of_view, 'passing');
$$;
CREATE FUNCTION forget_retired(of_view text) RETURNS void LANGUAGE sql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
    DELETE FROM public.retired_views WHERE view = of_view;
    SELECT public.drop_view_tables(of_view, 'retired');
$$;

-- The caller has locked the view's bookmark and brought the new version there: no live write can fall between.
CREATE FUNCTION swap_version(of_view text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    bookmark bigint;
    built    bigint;
BEGIN
    SELECT notification_id INTO STRICT bookmark FROM public.projection_tracking WHERE application_name = of_view FOR UPDATE;
    SELECT "position" INTO STRICT built FROM public.rebuilds WHERE view = of_view;
    IF built < bookmark THEN
        RAISE EXCEPTION 'the new version of % is at %, the one that serves at %', of_view, built, bookmark;
    END IF;
    PERFORM public.drop_view_tables(of_view, 'passing');
    IF EXISTS (SELECT FROM public.retired_views WHERE view = of_view) THEN
        PERFORM public.move_view_tables(of_view, 'retired', 'passing');
    END IF;
    PERFORM public.move_view_tables(of_view, 'public', 'retired');
    PERFORM public.move_view_tables(of_view, 'building', 'public');
    UPDATE public.projection_tracking SET notification_id = built WHERE application_name = of_view;
    INSERT INTO public.retired_views VALUES (of_view, bookmark)
        ON CONFLICT (view) DO UPDATE SET "position" = excluded."position", retired_at = excluded.retired_at;
END $$;

-- The version that served before serves again, from where it stood: the projector brings it up. The other one is kept.
CREATE FUNCTION roll_back_version(of_view text) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    bookmark bigint;
    before   bigint;
BEGIN
    SELECT notification_id INTO STRICT bookmark FROM public.projection_tracking WHERE application_name = of_view FOR UPDATE;
    SELECT "position" INTO before FROM public.retired_views WHERE view = of_view FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    PERFORM public.move_view_tables(of_view, 'public', 'passing');
    PERFORM public.move_view_tables(of_view, 'retired', 'public');
    PERFORM public.move_view_tables(of_view, 'passing', 'retired');
    UPDATE public.projection_tracking SET notification_id = before WHERE application_name = of_view;
    UPDATE public.retired_views SET "position" = bookmark, retired_at = now() WHERE view = of_view;
    RETURN before;
END $$;

REVOKE EXECUTE ON FUNCTION
    make_view_tables(text, text), add_view_constraints(text, text, text[]), finish_view_table(text, text),
    drop_view_tables(text, text), move_view_tables(text, text, text), begin_version(text), finish_version(text),
    drop_version(text), drop_passed(text), forget_retired(text), swap_version(text), roll_back_version(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    begin_version(text), finish_version(text), drop_version(text), drop_passed(text), forget_retired(text),
    swap_version(text), roll_back_version(text) TO counterfoil_projector;
GRANT SELECT ON view_tables, rebuilds, retired_views TO counterfoil_projector, counterfoil_reader, counterfoil_api;
GRANT INSERT, UPDATE ON rebuilds TO counterfoil_projector, counterfoil_api;

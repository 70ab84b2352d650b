-- What decides over an append finds its tables in this schema, whatever a session, a role or a database names first.
ALTER FUNCTION refuse_foreign_topics() SET search_path = public, pg_temp;
ALTER FUNCTION refuse_change() SET search_path = public, pg_temp;
ALTER FUNCTION begin_append SET search_path = public, pg_temp;
ALTER FUNCTION finish_append SET search_path = public, pg_temp;

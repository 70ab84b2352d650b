-- An account takes transfers from others when it has said so (accept_transfers), and nobody has yet. The column comes to every
-- version of the view: the one that serves, one that is being built, one that can be rolled back to.
DO $$
DECLARE
    version regclass;
BEGIN
    FOR version IN SELECT a.attrelid FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
                    WHERE c.relname = 'accounts' AND c.relkind = 'r' AND a.attname = 'webhook_secret_generation' LOOP
        EXECUTE format('ALTER TABLE %s ADD COLUMN accept_transfers boolean NOT NULL DEFAULT false', version);
    END LOOP;
END $$;
COMMENT ON COLUMN accounts.accept_transfers IS 'Whether other accounts may transfer to this one';

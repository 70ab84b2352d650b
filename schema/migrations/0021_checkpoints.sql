-- The Merkle tree over the history, as tiles: 256 hashes of one level side by side, the next tile level 8 levels above (RFC
-- 6962, C2SP tlog-tiles). Tiles follow from the events alone and can be made again; the rightmost of each level still grow.
CREATE TABLE merkle_tiles (
    level     smallint NOT NULL CHECK (level >= 0),
    index     bigint   NOT NULL CHECK (index >= 0),
    hashes    bytea    NOT NULL CHECK (length(hashes) BETWEEN 32 AND 8192 AND length(hashes) % 32 = 0),
    latest_at timestamptz CHECK ((latest_at IS NOT NULL) = (level = 0)),
    PRIMARY KEY (level, index)
);
ALTER TABLE merkle_tiles ALTER COLUMN hashes SET STORAGE EXTERNAL;
CREATE INDEX merkle_tiles_time ON merkle_tiles (latest_at, index) WHERE level = 0;
COMMENT ON COLUMN merkle_tiles.latest_at IS 'The latest occurred_at of any event up to the end of the tile: it never falls';

-- How many leaves the tiles hold: the fence between two processes that let them grow.
CREATE TABLE merkle_tree (
    one  boolean PRIMARY KEY DEFAULT true CHECK (one),
    size bigint  NOT NULL CHECK (size >= 0)
);
INSERT INTO merkle_tree VALUES (true, 0);

-- What was signed. `blind` is drawn at random and hides from each client what is another's; the notes hold the rest.
CREATE TABLE checkpoints (
    number   bigint PRIMARY KEY CHECK (number > 0),
    size     bigint NOT NULL UNIQUE CHECK (size > 0),
    root     bytea  NOT NULL CHECK (length(root) = 32),
    made_at  timestamptz NOT NULL,
    note     text   NOT NULL,
    receipts text[] NOT NULL,
    blind    bytea  NOT NULL CHECK (length(blind) = 32)
);
CREATE TRIGGER checkpoints_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE checkpoints ENABLE ALWAYS TRIGGER checkpoints_are_append_only;

-- The leaf hashes of each receipt tree, without the fillers. They follow from the events and the checkpoint's blind.
CREATE TABLE receipt_trees (
    checkpoint bigint NOT NULL REFERENCES checkpoints,
    number     int    NOT NULL CHECK (number >= 0),
    first_leaf bytea  NOT NULL CHECK (length(first_leaf) = 32),
    leaves     bytea  NOT NULL CHECK (length(leaves) BETWEEN 32 AND 32768 AND length(leaves) % 32 = 0),
    PRIMARY KEY (checkpoint, number)
);
ALTER TABLE receipt_trees ALTER COLUMN leaves SET STORAGE EXTERNAL;

GRANT SELECT ON merkle_tiles, merkle_tree, checkpoints, receipt_trees
   TO counterfoil_checkpointer, counterfoil_reader, counterfoil_writer;
GRANT INSERT, UPDATE ON merkle_tiles TO counterfoil_checkpointer;
GRANT UPDATE ON merkle_tree TO counterfoil_checkpointer;
GRANT INSERT ON checkpoints, receipt_trees TO counterfoil_checkpointer;
GRANT SELECT ON events, seals, history, bookmarks TO counterfoil_checkpointer;
GRANT INSERT, UPDATE ON bookmarks TO counterfoil_checkpointer;
GRANT EXECUTE ON FUNCTION raise_alarm(text, text) TO counterfoil_checkpointer;

-- The public halves of the keys that sign, for whoever asks. An auditor has them by another way and compares.
CREATE TABLE note_keys (
    key     text PRIMARY KEY,
    purpose text NOT NULL CHECK (purpose IN ('checkpoints', 'statements')),
    since   timestamptz NOT NULL DEFAULT now()
);
CREATE TRIGGER note_keys_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON note_keys
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE note_keys ENABLE ALWAYS TRIGGER note_keys_are_append_only;
GRANT SELECT ON note_keys TO counterfoil_reader, counterfoil_checkpointer, counterfoil_writer;
GRANT INSERT ON note_keys TO counterfoil_checkpointer;

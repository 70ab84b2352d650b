-- What the scanner announced of blocks that are not solid yet: after a restart it can still say what left the chain.
ALTER TABLE chain_cursors ADD COLUMN unsolid bytea NOT NULL DEFAULT '';

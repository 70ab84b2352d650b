-- The API shows proofs: it reads what they are made of, and can add nothing to it.
GRANT SELECT ON merkle_tiles, merkle_tree, checkpoints, receipt_trees, note_keys TO counterfoil_api;

-- Every process notes in the audit log that it started and ended, and what it did of its own accord.
GRANT INSERT ON audit_logs TO counterfoil_relay, counterfoil_observer, counterfoil_checkpointer, counterfoil_projector;

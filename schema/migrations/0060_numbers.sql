-- What /metrics tells of the queues: how much waits and since when, never what. The rest the reader's login sees already.
GRANT SELECT (queue, sent_at) ON queue_messages TO counterfoil_api;
GRANT SELECT (queue) ON queue_dead_letters TO counterfoil_api;

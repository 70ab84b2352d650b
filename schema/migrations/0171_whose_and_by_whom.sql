-- compatible_from: 0150
-- A payout names the API key that asked for it. A row that an older program makes beside this one lacks it until a rebuild.
ALTER TABLE payout_requests ADD COLUMN requested_by text;
COMMENT ON COLUMN payout_requests.requested_by IS 'Id of the API key that asked for it';
UPDATE payout_requests AS p SET requested_by = split_part(e.state::json ->> 'actor', ':', 2)
  FROM events AS e WHERE e.notification_id = p."position" AND split_part(e.state::json ->> 'actor', ':', 1) = 'api-key';

-- Clients are told with a deposit for what its address was given out: the view keeps it, by the address' id.
INSERT INTO client_objects (id, row)
SELECT address_id, format('{"payin_id":"%s","client_reference":%s}', id, coalesce(to_json(client_reference)::text, 'null'))::json
  FROM payin_requests WHERE address_id IS NOT NULL ON CONFLICT DO NOTHING;

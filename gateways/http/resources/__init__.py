"""One file a noun of the API: its endpoints with their request and answer models."""

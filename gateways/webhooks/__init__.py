"""Webhooks: signed, posted to public addresses alone, retried until they arrive."""

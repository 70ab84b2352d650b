"""The documentation: the OpenAPI document, its page, and the guides."""

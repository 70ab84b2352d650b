"""The HTTP API, version 1: an async edge that authenticates, validates, submits commands and reads views.

One file a noun; `endpoints.py` is the path every request takes, `app.py` puts the parts together.
"""

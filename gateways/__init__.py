"""Adapters to the outside, and the entry points that wire them.

Adapters speak Postgres, AWS, Tron nodes, HTTP. Nothing here decides about money; decisions are core's.
"""

VERSION = "0.1.0"
"""The program's version, wherever it runs from; a test holds it equal to pyproject.toml's."""

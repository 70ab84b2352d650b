"""Every door and the front door: adapters to the outside, and the entry points that wire them.

Adapters speak Postgres, AWS, Tron nodes, HTTP. Nothing here decides about money; decisions are core's.
"""

"""What an installation asks of AWS, call by call, and what AWS charges for it.

    python -m tests.bench.costs        two minutes: plays deposits, a payout, a sweep and idleness on the emulator

`prices.json` has the list prices. Calls are counted at the emulator, for every process; what a machine, a gigabyte or a key
costs by the month is not in it.
"""

"""The whole system in one process, from one seed: no thread, no socket, no clock but the chain's.

durable.py      what outlives a crash: store, queues, cursors, bookmarks, pool, log, in memory, with the faults of the real ones
system.py       the processes on it, wired as gateways/processes/ wires them, and crashes between any two writes
operators.py    copies put back, two at once, evacuations, forged requests, and what operators say about them
crashes.py      where processes die
signing.py      what must be true of what was signed, by whichever copy
customers.py    every way in which coins come to an address, and what merely looks like it
world.py        what happens: customers, clients, operators, forks, faults, time; a run is a list of actions
invariants.py   what must be true when the dust has settled
mutants.py      the same system with one defect each: the simulation is worth what it catches
corpus.py       chains of thousands of transfers with the credited set worked out beforehand

    make simulate SEED=7      replay one seed with its trace; a failing one is shrunk
    make simulate-many        2,000 seeds
"""

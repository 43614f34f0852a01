"""The bench: what Callcard costs and how fast it is, measured against the least that an application could do.

`make bench` runs all of it. Each measure is a module: `voice`, `latency`, `pop`; the README says what they do, what
they leave out, and what they gave.
"""

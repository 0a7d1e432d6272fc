"""Signed PDFs for everybody who verifies: good ones of every kind, and the published attacks on them.

`python -m tests.vectors` makes them anew, with fresh keys. `vectors.json` names each with its class, its authority
and what must come out at the given moment.
"""

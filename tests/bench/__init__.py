"""Measurements of the main operations, each beside a floor or a peer of the same run.

`make bench` runs all cases, `make bench ARGS=foundation` those whose name begins so. A
package adds a module `cases_<package>.py` here with a tuple `CASES`.
"""

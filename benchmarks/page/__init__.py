"""The figures that the repository keeps, and the tables that docs/benchmarks.md shows of them.

`benchmarks/figures/NAME.json` has the figures of the benchmark NAME. `python -m benchmarks NAME
--keep` writes it, and `python -m benchmarks.page` (called by `make docs`) writes the tables of the
page.
Nothing here needs more than Python itself.
"""

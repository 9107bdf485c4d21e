"""Builds the site of the docs: pages that one reads without a server and without the network.

`pages.py` finds the pages and their order, `sources.py` writes them as Sphinx reads them, and
`conf.py` is Sphinx's configuration. Called by `make site`.
"""

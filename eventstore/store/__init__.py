"""The tables, the log, the read models and the queries: all SQL of the package.

Every room above asks these rooms for data. They know the projection, and not their callers.
"""

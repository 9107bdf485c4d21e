"""Readers of recordings that other tools wrote, a module a format; registry.py has them all.

`recording.py` tells which one a file is in, and reads it. It is called from capture/import_file.py.
"""

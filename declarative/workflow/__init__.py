"""Each command's whole journey, top to bottom: the packages joined, the lock taken first and released last.

A module for each family of commands; import from it what is needed, so that a command loads no more than its own.
"""

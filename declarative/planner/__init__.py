"""Thinking: what to do, in which order, and what harm it could do. Nothing here reads a file, a clock or the cloud.

Import from the modules: whoever only validates should not have to load the planner.
"""

"""A state behind HTTP: Terraform's HTTP state protocol, and GitLab's dialect of it.

`address` reads the address, `wire` carries one request, `locks` takes and gives back the lock, `probe` finds out what
the server can be trusted with, `documents` are the texts that are kept, and `engine` is the `Engine` on top.
"""

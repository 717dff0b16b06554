"""The ways into a world: an httpx transport in the same process, and a server on a socket."""

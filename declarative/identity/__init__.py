"""Who we are to the cloud, and how each request shows it.

- `signing` signs a request with an access key and its secret key.

All of it is pure: nothing is read from files or the environment, and nothing is sent.
"""

"""Who we are to the cloud, and how each request shows it.

- `keystone` makes the bodies of requests for a token, and reads what IAM answers.
- `signing` signs a request with an access key and its secret key.

Both are pure: they read no file and no environment, and send nothing.
"""

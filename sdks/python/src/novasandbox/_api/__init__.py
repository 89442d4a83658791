"""The requests of the REST API as pure functions: arguments in, a `Request` out."""

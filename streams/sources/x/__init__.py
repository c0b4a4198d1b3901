"""X, by its API v2: the filtered stream, pages of searches, and the Activity API's payloads."""

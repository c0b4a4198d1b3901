"""ActivityStreams 2.0, the language of ActivityPub: an inbox that others deliver to, or a file of activities."""

"""The control topic: what is defined while workers run, followed by each of them from the beginning.

One partition, compacted. A record's key is `kind:id`, its value JSON with a `version`; null takes a definition away. What the
records of a kind mean together is in a module of its own (`campaigns`); `state` holds what they say so far, `following` reads
them in a worker, `reading` and `writing` in a command, `editing` makes and ends campaigns.
"""

"""What a campaign came to, recounted from Kafka's logs: exact where they are still retained, and said where they aren't.

`gather` reads the engagements, `posts` the events for what they don't hold, `summary` makes the report of both.
"""

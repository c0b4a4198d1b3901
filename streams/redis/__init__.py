"""Everything that talks to Redis: the writing script and the reader."""

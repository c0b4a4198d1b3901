"""The two tables, actors and entities: rows as columns, their changelog codec, and their place in Faust."""

"""What flows through Cloutstream and how it is computed; `agents` is what runs it."""

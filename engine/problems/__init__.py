"""Problem kinds: each a value, its constraints and the reading of its solution."""

"""Measures, each a ratio to a named peer or limit that runs in the same process or beside it."""

"""The catalog: what an offer is, how names are spelt, and where snapshots live."""

"""Sources of the catalog: what brings prices and hardware in."""

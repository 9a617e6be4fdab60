"""The optimizer: pure functions from a workload and a snapshot to a plan."""

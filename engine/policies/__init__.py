"""Online policies for a job with a deadline: one file a policy; the simulator and the executor run the same objects."""

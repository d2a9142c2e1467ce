"""What runs notebooks and trainings: parameters, processes, the cache, sweeps."""

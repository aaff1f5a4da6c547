"""From people's corrections to the next model: training data, reports, drift, schedule."""

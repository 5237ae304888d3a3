"""Calibrate: a model's threshold, probability and operating points for one's own photos."""

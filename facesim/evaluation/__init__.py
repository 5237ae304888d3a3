"""Judging distances: the threshold, the error rates it costs, the probability."""

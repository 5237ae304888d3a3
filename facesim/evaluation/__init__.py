"""Evaluating a model: its threshold, its error rates with their uncertainty, its probabilities."""

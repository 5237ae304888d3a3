"""Look at embeddings: a map of all, the nearest neighbours of one."""

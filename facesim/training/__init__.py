"""Training with PyTorch: the network, its starting weights, augmentation, the two stages, export."""

"""Post-training: a trained network cut, and its kernels solved for, without training."""

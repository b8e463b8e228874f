"""The core on a CUDA device, against PyTorch on the same device."""

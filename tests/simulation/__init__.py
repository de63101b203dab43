"""A simulator of the control plane: real rooms under a virtual clock, with faults that a seed decides (see README.md)."""

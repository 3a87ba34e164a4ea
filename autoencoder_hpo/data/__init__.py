"""Clean images, how they are divided, and the corruptions that a model learns to undo.

Tensor names carry their shapes where it helps: N images, C channels, H rows, W columns.
"""

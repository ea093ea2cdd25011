"""Chapters of part 3: computer vision."""

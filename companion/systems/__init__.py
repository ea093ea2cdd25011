"""Chapters of part 5: systems."""

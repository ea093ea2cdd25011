"""Chapters of part 2: speech."""

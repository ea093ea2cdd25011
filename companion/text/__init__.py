"""Chapters of part 1: text."""

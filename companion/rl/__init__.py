"""Chapters of part 4: reinforcement learning."""

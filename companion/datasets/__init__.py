"""Data that several chapters learn from, each set in a room of its own."""

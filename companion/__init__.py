"""The finished implementations behind the course "Rebuilding 2017"."""

__version__ = "0.1.0"

"""Chapter 3.9: translating pictures between two collections that share no pair (Zhu et al. 2017)."""

"""Chapter 3.9, CycleGAN: translation between two collections without pairs (Zhu et al. 2017)."""

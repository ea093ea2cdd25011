"""Chapter 4.3, learning from human preferences: Christiano et al. (2017)."""

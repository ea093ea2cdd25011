"""Chapter 3.11, adversarial attacks: Goodfellow et al. (2014) to Madry et al. (2017)."""

"""Chapter 1.1: Google's neural machine translation (Wu et al., 2016)."""

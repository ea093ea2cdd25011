"""Chapter 2.1: WaveNet (van den Oord et al., 2016)."""

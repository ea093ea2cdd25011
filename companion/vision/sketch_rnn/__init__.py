"""Chapter 3.4: Sketch-RNN (Ha and Eck, 2017)."""

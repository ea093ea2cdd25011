"""Chapter 3.8, pix2pix: Isola et al. (2016), a picture from a picture, with a learned loss."""

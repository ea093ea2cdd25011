"""Chapter 5.3, ImageNet in one hour: Goyal, Dollár, Girshick et al. (2017)."""

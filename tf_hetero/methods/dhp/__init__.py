"""DHP: a hyper model whose latent vectors a proximal optimizer makes sparse."""

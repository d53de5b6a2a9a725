"""genco: generative modelling with multi-instance reward learning for ad creatives."""

__version__ = "0.1.0"

"""The version, apart from the root so that inner rooms can name it without importing the public names."""

__version__ = "0.1.0"

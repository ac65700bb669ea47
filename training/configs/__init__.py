"""Configs that come with kseg, one experiment a file."""

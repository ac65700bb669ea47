"""Masks of more images than one machine has time for, by Apache Beam."""

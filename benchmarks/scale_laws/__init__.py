"""The laws by which kseg must grow, how they are measured and drawn."""

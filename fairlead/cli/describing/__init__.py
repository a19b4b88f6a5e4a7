"""Text makers for `describe`: pure, one for each kind that people look at most, and one for all others."""

"""Admission plugins, in the order in which they judge a write."""

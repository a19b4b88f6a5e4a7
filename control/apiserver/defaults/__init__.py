"""Defaults of parts that several kinds contain."""

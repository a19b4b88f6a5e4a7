"""The checks and tests behind `deploy/test`, from a machine with nothing installed to one closing line.

Standard library only, like labkit, whose helpers it uses.
"""

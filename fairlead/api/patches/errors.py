"""What can be wrong with a patch."""


class PatchError(ValueError):
    """A patch that cannot be understood, or does not fit the object."""

"""The plugins, one module an idea, and the profile that puts them together."""

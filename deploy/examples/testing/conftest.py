"""Where the fixture `fairlead_cluster` comes from."""

pytest_plugins = ["fairlead.testing.plugin"]

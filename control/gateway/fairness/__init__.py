"""Priority and fairness: whose requests are carried out now, which wait, and which are turned away."""

"""The audit log: a policy says what is noted of which request, a recorder notes it, a log writes and rotates it."""

"""Calls to admission webhooks: what they are asked, how, and what they answer."""

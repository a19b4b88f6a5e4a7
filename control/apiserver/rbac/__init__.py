"""Role-based access control: rules, who has which, Kubernetes' default roles, and the guard against escalation."""

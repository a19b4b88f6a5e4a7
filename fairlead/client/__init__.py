"""Clients of the API: the protocol that all of them keep, the gRPC client, informers, queues, leader election."""

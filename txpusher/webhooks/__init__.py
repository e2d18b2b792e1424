"""Webhooks: what an application is told of what happens here, by POST requests that it can verify."""

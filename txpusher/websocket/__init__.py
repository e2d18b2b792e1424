"""The WebSocket side: the only package that knows Autobahn."""

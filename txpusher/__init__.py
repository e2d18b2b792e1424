"""A self-hosted realtime server that speaks the Pusher Channels protocol, as a Twisted plugin."""

__version__ = "0.1.0"

"""The Pusher protocol as pure functions and values: no reactor, no sockets."""

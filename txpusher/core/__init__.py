"""The mind of the server: it may await, and never touches a socket."""

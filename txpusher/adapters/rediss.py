"""``rediss://``: the adapter of ``redis://`` over TLS."""

from txpusher.adapters.redis import create

__all__ = ["create"]

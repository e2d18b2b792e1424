"""Publishes come in by two ways: what holds for one has to hold for the other."""

import pytest

from txpusher.http.fast_lane import FastLane


class Way:
    """One of the ways in."""

    def __init__(self, name):
        self.name = name

    def connect(self, api):
        """Connect to a server this way."""
        return api.by(self.name)

    def ask(self, api, request):
        """Send one request on a connection of its own; the fast lane has to answer it by itself."""
        client = self.connect(api)
        response = client.ask(request)
        assert isinstance(client.protocol, FastLane) == (self.name == "fast_lane")
        return response


@pytest.fixture(params=["fast_lane", "klein"])
def way(request):
    """The way in."""
    return Way(request.param)

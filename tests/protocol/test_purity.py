"""The protocol and the core are plain Python: importing them starts nothing and needs no network library."""

import json
import os
import pkgutil
import subprocess
import sys

import pytest

import txpusher.core
import txpusher.protocol

PROGRAM = """
import importlib, json, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(json.dumps(sorted(sys.modules)))
"""
NETWORK_LIBRARIES = {
    "autobahn",
    "httptools",
    "klein",
    "prometheus_client",
    "txredisapi",
    "werkzeug",
}


def loaded_by(*packages):
    """Names of all modules in a fresh interpreter that has imported every module of these packages."""
    names = [
        name
        for package in packages
        for _, name, _ in pkgutil.iter_modules(package.__path__, package.__name__ + ".")
    ]
    assert names
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *names],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    loaded = set(json.loads(done.stdout))
    assert loaded >= set(names)
    return loaded


@pytest.mark.parametrize("packages", [(txpusher.protocol,), (txpusher.protocol, txpusher.core)])
def test_no_reactor_and_no_network(packages):
    """Importing all of it installs no reactor and imports no library that talks to a network."""
    loaded = loaded_by(*packages)
    assert "twisted.internet.reactor" not in loaded
    assert not {name.partition(".")[0] for name in loaded} & NETWORK_LIBRARIES


def test_the_protocol_needs_no_twisted():
    """The protocol alone does not even import Twisted."""
    roots = {name.partition(".")[0] for name in loaded_by(txpusher.protocol)}
    assert not roots & {"twisted", "zope"}

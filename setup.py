"""Says which packages are ours; everything else about the distribution is in pyproject.toml."""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(include=["txpusher", "txpusher.*"]),
        # Two folders without an __init__.py, which find_packages() cannot see. Many distributions put a file into
        # the first, which is not a package of ours; the other has no Python.
        "twisted.plugins",
        "txpusher.adapters.redis.lua",
    ],
    package_data={"": ["py.typed", "*.lua"]},
    # Twisted looks for plugins in directories, so the files have to be on disk.
    zip_safe=False,
)

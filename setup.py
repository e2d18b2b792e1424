"""Says which packages are ours; everything else about the distribution is in pyproject.toml."""

from setuptools import find_packages, setup

setup(
    # twisted/plugins has no __init__.py on purpose: it is a folder that many distributions put a
    # file into, not a package of ours. So find_packages() cannot see it and it is named here.
    packages=[*find_packages(include=["txpusher", "txpusher.*"]), "twisted.plugins"],
    package_data={"": ["py.typed", "lua/*.lua"]},
    # Twisted looks for plugins in directories, so the files have to be on disk.
    zip_safe=False,
)

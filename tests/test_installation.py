"""Packages that are there, missing, and outside of their ranges."""

import importlib.metadata

from kseg import installation


def states(monkeypatch, versions, requirements):
    """What is said of packages of these versions."""

    def version(name):
        if name not in versions:
            raise importlib.metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: requirements)
    rows, good = installation.packages()
    return {name: state for name, _, _, state in rows}, good


def test_ranges_and_extras(monkeypatch):
    requirements = [
        "keras<3.17,>=3.15",
        "numpy<3,>=2.0",
        'tensorflow<2.22,>=2.21; extra == "tensorflow"',
        'jax>=0.7; extra == "jax"',
        'pytest>=8; extra == "dev"',
        'winonly>=1; sys_platform == "nowhere" and extra == "tensorflow"',
    ]
    versions = {"keras": "3.15.1", "numpy": "2.4.6", "tensorflow-cpu": "2.21.0"}
    told, good = states(monkeypatch, versions, requirements)
    assert good
    assert told == {
        "keras": "good",
        "numpy": "good",
        "tensorflow": "good",
        "jax": 'not there: pip install "kseg[jax]"',
    }
    told, good = states(monkeypatch, {**versions, "keras": "3.9.0"}, requirements)
    assert not good
    assert told["keras"] == "outside of the range: pip install -U 'keras<3.17,>=3.15'"
    told, good = states(monkeypatch, {"keras": "3.15.1"}, requirements)
    assert not good and "pip install -U 'numpy" in told["numpy"]

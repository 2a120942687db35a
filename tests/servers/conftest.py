"""Fixtures shared by the server tests."""

from pathlib import Path

import pytest
from harness import write_files


def pytest_addoption(parser):
    parser.addoption("--all", action="store_true", help="every server of a profile also by npx or uvx, downloaded anew")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A user's home folder with a secret in it."""
    write_files(tmp_path / "home", {".ssh/id_ed25519": "canary-private-key\n"})
    return tmp_path / "home"


@pytest.fixture(scope="module")
def no_paths(tmp_path_factory) -> Path:
    """A profile that grants no file at all, also to a server for whose name there is a built-in profile."""
    path = tmp_path_factory.mktemp("profile") / "no-paths.toml"
    path.write_text('version = 1\n[filesystem]\npath_args = "none"\n')
    return path

"""A runtime that a version manager put into the user's home runs a server in the box; the rest of the home stays out."""

import pytest
from harness import BIN, bare, boxed, call, talk, write_files
from runtimes import install_node, install_pyenv, python_prefix


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home folder with node under ~/.nvm, Python under ~/.pyenv and a secret beside them."""
    home = tmp_path_factory.mktemp("runtimes") / "home"
    write_files(home, {"canary.txt": "canary-in-home\n"})
    return home


@pytest.fixture(scope="module")
def node(home):
    return install_node(home)


@pytest.fixture(scope="module")
def shims(home):
    return install_pyenv(home)


def path_with(folder) -> dict:
    return {"PATH": f"{folder}:/usr/bin:/bin"}


@pytest.mark.parametrize("wrap", [bare, boxed])
@pytest.mark.parametrize("command", ["mcp-server-filesystem", BIN / "mcp-server-filesystem"], ids=["global", "local"])
def test_node_in_the_home_folder(command, wrap, home, node, no_paths):
    session = talk(
        wrap([command, "/"], "--profile", no_paths),
        call("read_text_file", path="/proc/self/maps"),
        call("read_text_file", path=str(home / "canary.txt")),
        home=home,
        env=path_with(node),
    )
    assert f"{node}/node" in session.text(0), "another node ran"
    assert ("canary-in-home" in session.text(1)) == (wrap is bare)


@pytest.mark.parametrize("wrap", [bare, boxed])
@pytest.mark.parametrize("command", [["mcp-server-time"], ["python3", "-m", "mcp_server_time"]], ids=["script", "module"])
def test_python_behind_a_pyenv_shim(command, wrap, home, shims):
    prefix = home / ".pyenv/versions" / (home / ".pyenv/version").read_text().strip()
    assert python_prefix(prefix / "bin/python3") == str(prefix)
    noon = call("convert_time", source_timezone="Asia/Tokyo", time="12:00", target_timezone="UTC")
    session = talk(wrap(command), noon, home=home, env=path_with(shims))
    assert "T03:00:00+00:00" in session.text()

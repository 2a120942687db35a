"""Servers that work on files see what was mounted, where it was mounted, and nothing beside it."""

import os
import subprocess

import pytest
from harness import BIN, VENV, bare, boxed, call, make_repository, talk, write_files


@pytest.fixture
def parent(tmp_path):
    """A folder with the project a server is for, and two neighbours it is not for."""
    files = {
        "project/mine.txt": "mine\n",
        "canary.txt": "canary-beside\n",
        "other/canary.txt": "canary-in-other\n",
    }
    write_files(tmp_path / "parent", files)
    return tmp_path / "parent"


def ask_filesystem(wrap, parent, home, *flags):
    """A server that was told that all of `parent` is allowed: what it answers about each file in it."""
    return talk(
        wrap([BIN / "mcp-server-filesystem", parent], *flags),
        call("read_text_file", path=f"{parent}/project/mine.txt"),
        call("read_text_file", path=f"{parent}/canary.txt"),
        call("read_text_file", path=f"{parent}/other/canary.txt"),
        call("list_directory", path=str(parent)),
        call("write_file", path=f"{parent}/project/new.txt", content="new\n"),
        call("write_file", path=f"{parent}/other/planted.txt", content="planted\n"),
        home=home,
    )


def test_filesystem_server_bare_reads_every_neighbour(parent, home):
    session = ask_filesystem(bare, parent, home)
    assert not any(session.failed(index) for index in range(6))
    assert "canary-beside" in session.text(1) and "canary-in-other" in session.text(2)
    assert "other" in session.text(3)


def test_filesystem_server_sees_only_what_was_mounted(parent, home, no_paths):
    flags = ["--profile", no_paths, "--write", parent / "project"]
    session = ask_filesystem(boxed, parent, home, *flags)
    assert session.text(0) == "mine\n"
    assert session.failed(1) and session.failed(2)
    assert session.text(3).split() == ["[DIR]", "project"]
    assert (parent / "project/new.txt").read_text() == "new\n"
    assert not (parent / "other/planted.txt").exists()
    assert sorted(os.listdir(parent / "project")) == ["mine.txt", "new.txt"], "something was left on the user's disk"
    assert not any(canary in str(session.transcript) for canary in ("canary-beside", "canary-in-other"))


@pytest.mark.parametrize("wrap", [bare, boxed])
def test_the_users_home_is_not_there(wrap, home, no_paths):
    key = str(home / ".ssh/id_ed25519")
    session = talk(
        wrap([BIN / "mcp-server-filesystem", "/"], "--profile", no_paths), call("read_text_file", path=key), home=home
    )
    assert ("canary-private-key" in session.text()) == (wrap is bare)
    assert session.failed() == (wrap is boxed)


def test_a_read_only_mount_cannot_be_written(parent, home, no_paths):
    flags = ["--profile", no_paths, "--read", parent / "project"]
    session = ask_filesystem(boxed, parent, home, *flags)
    assert session.text(0) == "mine\n"
    assert session.failed(4) and not (parent / "project/new.txt").exists()


def test_a_mount_can_be_put_elsewhere(parent, home, no_paths):
    session = talk(
        boxed(
            [BIN / "mcp-server-filesystem", "/workspace"],
            *("--profile", no_paths, "--write", f"{parent}/project:/workspace"),
        ),
        call("read_text_file", path="/workspace/mine.txt"),
        call("write_file", path="/workspace/new.txt", content="new\n"),
        call("list_allowed_directories"),
        home=home,
    )
    assert session.text(0) == "mine\n"
    assert (parent / "project/new.txt").read_text() == "new\n"
    assert str(parent) not in session.text(2)


@pytest.mark.parametrize("access", ["read", "write"])
def test_path_arguments_are_mounted_where_they_are(access, parent, home, tmp_path):
    profile = tmp_path / "paths.toml"
    profile.write_text(f'version = 1\n[filesystem]\npath_args = "{access}"\n')
    session = talk(
        boxed([BIN / "mcp-server-filesystem", parent / "project"], "--profile", profile),
        call("read_text_file", path=f"{parent}/project/mine.txt"),
        call("write_file", path=f"{parent}/project/new.txt", content="new\n"),
        home=home,
    )
    assert session.text(0) == "mine\n"
    assert session.failed(1) == (access == "read")
    assert (parent / "project/new.txt").exists() == (access == "write")


def test_memory_survives_between_two_boxes(home, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    flags = ["--write", data, "--env", f"MEMORY_FILE_PATH={data}/memory.jsonl"]
    server = boxed([BIN / "mcp-server-memory"], *flags)
    entity = {"name": "box", "entityType": "thing", "observations": ["remembered"]}
    first = talk(server, call("create_entities", entities=[entity]), home=home)
    second = talk(server, call("open_nodes", names=["box"]), home=home)
    assert not first.failed()
    assert "remembered" in second.text()
    stored = data / "memory.jsonl"
    assert "remembered" in stored.read_text()
    assert (stored.stat().st_uid, stored.stat().st_gid) == (os.geteuid(), os.getegid())


def test_memory_is_lost_without_a_mount(home, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    server = boxed([BIN / "mcp-server-memory"], "--env", "MEMORY_FILE_PATH=/tmp/memory.jsonl")
    entity = {"name": "box", "entityType": "thing", "observations": ["forgotten"]}
    first = talk(server, call("create_entities", entities=[entity]), call("read_graph"), home=home)
    second = talk(server, call("read_graph"), home=home)
    assert "forgotten" in first.text(1)
    assert "forgotten" not in second.text()


@pytest.mark.parametrize("wrap", [bare, boxed])
def test_git_server_works_on_its_own_repository_only(wrap, home, tmp_path):
    own = make_repository(tmp_path / "own")
    other = make_repository(tmp_path / "other", "canary-of-the-other-repository\n")
    write_files(own, {"added.txt": "added\n"})
    session = talk(
        wrap([VENV / "mcp-server-git"], "--write", own),
        call("git_status", repo_path=str(own)),
        call("git_add", repo_path=str(own), files=["added.txt"]),
        call("git_commit", repo_path=str(own), message="made in the box"),
        call("git_log", repo_path=str(own)),
        call("git_status", repo_path=str(other)),
        call("git_show", repo_path=str(other), revision="HEAD"),
        home=home,
    )
    assert not any(session.failed(index) for index in range(4))
    assert "made in the box" in session.text(3)
    assert session.failed(4) == session.failed(5) == (wrap is boxed)
    assert ("canary-of-the-other-repository" in session.text(5)) == (wrap is bare)
    log = subprocess.run(["git", "log", "--format=%s %an"], cwd=own, capture_output=True, text=True, check=True)
    assert log.stdout.splitlines() == ["made in the box Tester", "first Tester"]
    owners = {path.lstat().st_uid for path in own.rglob("*")}
    assert owners == {os.geteuid()}

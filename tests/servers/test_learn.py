"""A profile that is learned from a session with a real server is enough for the same session."""

import subprocess
import time

from harness import BIN, MCP_SANDBOX, VENV, bare, call, make_repository, talk, write_files


def learn(command, *flags, output):
    """The command line that starts a server to be learned from."""
    return [MCP_SANDBOX, "learn", "--quiet", "--output", output, *flags, "--", *bare(command)]


def learned(output):
    """The text, which is written when the client has gone."""
    deadline = time.monotonic() + 30
    while not output.exists():
        assert time.monotonic() < deadline, "no profile was written"
        time.sleep(0.05)
    return output.read_text()


def run(output):
    return [MCP_SANDBOX, "run", "--quiet", "--profile", output]


def check(output):
    done = subprocess.run([MCP_SANDBOX, "check", output], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_everything_needs_nothing(tmp_path, home):
    output = tmp_path / "learned.toml"
    calls = [call("echo", message="hello"), call("get-sum", a=1, b=2)]
    first = talk(learn([BIN / "mcp-server-everything"], output=output), *calls, home=home)
    text = learned(output)
    assert "mounts" not in text and "allow" not in text and "spawn = false" in text, text
    check(output)
    again = talk(run(output), *calls, home=home)
    assert [again.text(index) for index in range(2)] == [first.text(index) for index in range(2)]


def test_filesystem_gets_what_it_was_asked_for(tmp_path, home):
    """The first run shows what the server wants, the profile of it gives that and no neighbour."""
    write_files(tmp_path, {"project/mine.txt": "mine\n", "beside/canary.txt": "canary\n"})
    output, project = tmp_path / "learned.toml", tmp_path / "project"
    command = [BIN / "mcp-server-filesystem", project]
    subprocess.run(learn(command, output=output), stdin=subprocess.DEVNULL, capture_output=True, cwd=home, timeout=60)
    text = learned(output)
    assert f'path = "{project}", access = "read"' in text and "refused while learning" in text, text
    check(output)
    session = talk(
        run(output),
        call("read_text_file", path=f"{project}/mine.txt"),
        call("read_text_file", path=f"{tmp_path}/beside/canary.txt"),
        home=home,
    )
    assert session.text(0) == "mine\n" and session.failed(1)


def test_git_names_its_child_programs(tmp_path, home):
    repository = make_repository(tmp_path / "repository")
    output = tmp_path / "learned.toml"
    flags = ["--read", repository]
    calls = [call("git_log", repo_path=str(repository))]
    command = learn([VENV / "mcp-server-git"], *flags, output=output)
    first = talk(command, *calls, home=home)
    text = learned(output)
    assert "spawn = true  # it started" in text and "/git" in text, text
    check(output)
    assert talk(run(output), *calls, home=home).text() == first.text()

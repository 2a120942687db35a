"""Every pinned server answers the official clients in the box word for word as it answers them bare."""

import subprocess
from difflib import unified_diff

import pytest
from harness import CLIENTS, all_cases, bare, boxed, load_case

INITIALIZE = (
    b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},'
    b'"clientInfo":{"name":"test","version":"1"}}}\n'
)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("name", all_cases())
def test_transcripts_are_equal(name, client, tmp_path):
    outside, inside = tmp_path / "bare", tmp_path / "boxed"
    case = load_case(name, outside)
    control, expected = case.run(client, bare, outside)
    expect_answers(control, case)
    _, got = load_case(name, inside).run(client, boxed, inside)
    difference = list(unified_diff(expected.splitlines(), got.splitlines(), "bare", "boxed", lineterm=""))
    assert not difference, "\n".join(difference)


def expect_answers(session, case):
    """Two equal refusals would prove nothing: each call must have gone as the case says it goes."""
    assert session.transcript["lists"]["tools"]["result"]["tools"]
    for index, request in enumerate(case.calls):
        assert session.failed(index) == request.get("fails", False), session.text(index)
    assert all("result" in answer for answer in session.transcript["resources"] + session.transcript["prompts"])


@pytest.mark.parametrize("name", all_cases())
def test_closing_stdin_ends_the_server_with_its_own_exit_code(name, home, tmp_path):
    codes = {}
    for wrap in (bare, boxed):
        work = tmp_path / wrap.__name__
        case = load_case(name, work)
        for folder in ("project", "data", "repo"):
            (work / folder).mkdir(parents=True)
        done = subprocess.run(wrap(case.command, *case.flags), input=INITIALIZE, capture_output=True, cwd=home, timeout=20)
        assert done.stdout.startswith(b'{"') and b'"serverInfo"' in done.stdout, done
        codes[wrap.__name__] = done.returncode
    assert codes["boxed"] == codes["bare"]

"""server-filesystem 2025.3.28: its two published escapes work bare and find nothing in the box.

CVE-2025-53109: the answer to a symlink that leads outside is to check its parent folder instead.
CVE-2025-53110: allowed folders are compared as text, so `/work/project` allows `/work/project-secrets`.
"""

import pytest
from harness import VULNERABLE_FILESYSTEM, bare, boxed, call, talk, write_files


@pytest.fixture
def work(tmp_path):
    files = {
        "project/mine.txt": "mine\n",
        "project-secrets/canary.txt": "canary-prefix\n",
        "outside/canary.txt": "canary-symlink\n",
        "outside/startup.sh": "harmless\n",
    }
    write_files(tmp_path, files)
    (tmp_path / "project/link.txt").symlink_to(tmp_path / "outside/canary.txt")
    (tmp_path / "project/startup.sh").symlink_to(tmp_path / "outside/startup.sh")
    return tmp_path


def attack(wrap, work, home, *calls):
    """One session in which the first call shows that the server works on what it may see."""
    command = wrap([VULNERABLE_FILESYSTEM, work / "project"], "--write", work / "project")
    session = talk(command, call("read_file", path=f"{work}/project/mine.txt"), *calls, home=home)
    assert session.text(0) == "mine\n"
    return session


@pytest.mark.parametrize("wrap", [bare, boxed])
def test_cve_2025_53109_reading_through_a_symlink(wrap, work, home):
    session = attack(wrap, work, home, call("read_file", path=f"{work}/project/link.txt"))
    assert ("canary-symlink" in session.text(1)) == (wrap is bare)
    assert session.failed(1) == (wrap is boxed)


@pytest.mark.parametrize("wrap", [bare, boxed])
def test_cve_2025_53109_writing_through_a_symlink(wrap, work, home):
    attack(wrap, work, home, call("write_file", path=f"{work}/project/startup.sh", content="planted\n"))
    assert (work / "outside/startup.sh").read_text() == ("planted\n" if wrap is bare else "harmless\n")


@pytest.mark.parametrize("wrap", [bare, boxed])
def test_cve_2025_53110_reading_a_folder_with_the_same_beginning(wrap, work, home):
    session = attack(
        wrap,
        work,
        home,
        call("read_file", path=f"{work}/project-secrets/canary.txt"),
        call("list_directory", path=f"{work}/project-secrets"),
    )
    assert ("canary-prefix" in session.text(1)) == (wrap is bare)
    assert session.failed(1) == session.failed(2) == (wrap is boxed)


@pytest.mark.parametrize("wrap", [bare, boxed])
def test_cve_2025_53110_writing_a_folder_with_the_same_beginning(wrap, work, home):
    attack(wrap, work, home, call("write_file", path=f"{work}/project-secrets/planted.txt", content="planted\n"))
    assert (work / "project-secrets/planted.txt").exists() == (wrap is bare)

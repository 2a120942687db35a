"""A server gets the variables that were passed to it by name, and no secret of the client's."""

import json

import pytest
from harness import BIN, CLIENTS, bare, boxed, call, talk

SECRET = {"SECRET_CANARY": "canary-token"}


def variables(client, home, command) -> dict:
    return json.loads(talk(command, call("get-env"), home=home, env=SECRET, client=client).text())


@pytest.fixture
def everything():
    return [BIN / "mcp-server-everything"]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_secret_of_the_client_stays_outside(client, home, everything):
    assert variables(client, home, bare(everything))["SECRET_CANARY"] == "canary-token"
    assert "canary-token" not in str(variables(client, home, boxed(everything)))


@pytest.mark.parametrize("client", CLIENTS)
def test_a_variable_passed_by_name_comes_in(client, home, everything):
    assert variables(client, home, boxed(everything, "--env", "SECRET_CANARY"))["SECRET_CANARY"] == "canary-token"


def test_a_variable_set_on_the_command_line_wins(home, everything):
    flags = ["--env", "SECRET_CANARY=another", "--env", "EMPTY="]
    inside = variables("typescript", home, boxed(everything, *flags))
    assert (inside["SECRET_CANARY"], inside["EMPTY"]) == ("another", "")


def test_the_default_environment_is_a_dozen_harmless_variables(home, everything):
    inside = variables("typescript", home, boxed(everything))
    assert len(inside) <= 15, sorted(inside)
    assert "PATH" in inside and "HOME" in inside

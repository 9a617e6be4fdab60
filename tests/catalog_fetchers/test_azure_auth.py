"""Who asks Azure: a service principal, or whoever is signed in to the `az` program."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from catalog_fetchers import azure_auth
from catalog_fetchers.errors import AnswerError, RefusedError, UnreachableError
from tests.kits.source_conformance import access_to

NOWHERE = "http://127.0.0.1:9"
ANSWER = json.dumps({"accessToken": "a-token", "subscription": "its-own", "tenant": "t", "tokenType": "Bearer"})


def signed_in(home: Path, answer: str, code: int = 0, seconds: float = 0) -> Mapping[str, str]:
    """An environment with an `az` program that answers so; it keeps how it was called."""
    (home / ".azure").mkdir(parents=True)
    (home / ".azure" / "azureProfile.json").write_text("{}")
    program = home / "bin" / "az"
    program.parent.mkdir()
    called = home / "called.json"
    program.write_text(
        f"#!{sys.executable}\nimport json, sys, time\n"
        f"json.dump(sys.argv[1:], open({str(called)!r}, 'w'))\n"
        f"time.sleep({seconds})\nprint({answer!r})\nsys.exit({code})\n"
    )
    program.chmod(0o755)
    return {"PATH": str(program.parent)}


def opened(folder: Path, env: Mapping[str, str]) -> azure_auth.Session:
    """The session that this environment gives."""
    with access_to(NOWHERE, folder, env) as access:
        return azure_auth.session(access)


def test_whoever_is_signed_in_may_ask_of_his_subscription(tmp_path: Path) -> None:
    """The token is for the management API, and names the subscription that was chosen."""
    env = signed_in(tmp_path / "home", ANSWER)
    assert azure_auth.missing(env, tmp_path / "home") == ""
    session = opened(tmp_path, env)
    assert session.url == "https://management.azure.com/subscriptions/its-own"
    assert session.headers == {"Authorization": "Bearer a-token"}
    called = json.loads((tmp_path / "home" / "called.json").read_text())
    assert called[called.index("--resource") + 1] == "https://management.azure.com/"


def test_another_subscription_may_be_named(tmp_path: Path) -> None:
    """The program then gives a token for its tenant."""
    env = {**signed_in(tmp_path / "home", ANSWER), "AZURE_SUBSCRIPTION_ID": "another"}
    assert opened(tmp_path, env).subscription == "another"
    called = json.loads((tmp_path / "home" / "called.json").read_text())
    assert called[-2:] == ["--subscription", "another"]


def test_a_session_does_not_show_its_token(tmp_path: Path) -> None:
    """It may stand in a traceback or a log."""
    assert "a-token" not in repr(opened(tmp_path, signed_in(tmp_path / "home", ANSWER)))


def test_a_program_that_refuses_is_said(tmp_path: Path) -> None:
    """A sign-in that has expired is mended by a new one."""
    with pytest.raises(RefusedError, match="it gives no token") as refusal:
        opened(tmp_path, signed_in(tmp_path / "home", "", code=1))
    assert "az login" in refusal.value.hint


def test_a_program_that_hangs_is_left(tmp_path: Path) -> None:
    """It is waited for as long as a server would be."""
    with pytest.raises(UnreachableError, match="no token after 2 s"):
        opened(tmp_path, signed_in(tmp_path / "home", ANSWER, seconds=30))


@pytest.mark.parametrize("answer", ["", '{"accessToken": ""}', "<html>"])
def test_an_answer_without_a_token_is_said(tmp_path: Path, answer: str) -> None:
    """Nothing is asked with an empty token."""
    with pytest.raises(AnswerError, match="az account get-access-token"):
        opened(tmp_path, signed_in(tmp_path / "home", answer))


def test_a_sign_in_without_a_subscription_is_said(tmp_path: Path) -> None:
    """Whose machines to list is then not known."""
    with pytest.raises(RefusedError, match="no subscription") as refusal:
        opened(tmp_path, signed_in(tmp_path / "home", '{"accessToken": "a-token"}'))
    assert "AZURE_SUBSCRIPTION_ID" in refusal.value.hint


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    """An `az` program that nobody signed in to is none; neither is a part of a principal."""
    env = {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "PATH": ""}
    said = azure_auth.missing(env, tmp_path)
    assert said == "set AZURE_CLIENT_SECRET, AZURE_SUBSCRIPTION_ID, or sign in with `az login`"
    with pytest.raises(RefusedError, match="no credentials"):
        opened(tmp_path, env)

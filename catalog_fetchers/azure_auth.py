"""How Azure's management API is asked: by a service principal, or by whoever is signed in to the `az` program."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote

from pydantic import BaseModel, Field

from catalog_fetchers.answers import read_as
from catalog_fetchers.base import Access
from catalog_fetchers.errors import AnswerError, RefusedError, UnreachableError

MANAGEMENT: Final = "https://management.azure.com"
LOGIN: Final = "https://login.microsoftonline.com"
TENANT: Final = "AZURE_TENANT_ID"
CLIENT: Final = "AZURE_CLIENT_ID"
SECRET: Final = "AZURE_CLIENT_SECRET"  # noqa: S105 (the name of a variable)
SUBSCRIPTION: Final = "AZURE_SUBSCRIPTION_ID"
PRINCIPAL: Final = (TENANT, CLIENT, SECRET, SUBSCRIPTION)
NEEDS: Final = f"{', '.join(PRINCIPAL)}; or `az login`"


@dataclass(frozen=True)
class Session:
    """A subscription, and the headers that open it."""

    subscription: str
    headers: Mapping[str, str] = field(repr=False)

    @property
    def url(self) -> str:
        """The address of the subscription."""
        return f"{MANAGEMENT}/subscriptions/{quote(self.subscription, safe='')}"


class _Token(BaseModel):
    access_token: str = Field(min_length=1)


class _ProgramToken(BaseModel):
    access_token: str = Field(alias="accessToken", min_length=1)
    subscription: str = ""


def missing(env: Mapping[str, str], home: Path) -> str:
    """What credentials are not there, as `Source.missing` says it."""
    absent = [name for name in PRINCIPAL if not env.get(name)]
    if not absent or _is_signed_in(env, home):
        return ""
    return f"set {', '.join(absent)}, or sign in with `az login`"


def session(access: Access) -> Session:
    """A session of the service principal in the environment or, where that is incomplete, of the `az` program.

    Raises:
        RefusedError: there are no credentials, or no token is given for them.
        UnreachableError, AnswerError: see each.
    """
    if all(access.env.get(name) for name in PRINCIPAL):
        return Session(access.env[SUBSCRIPTION], _bearer(_token_of_principal(access)))
    if not _is_signed_in(access.env, access.home):
        raise RefusedError("no credentials of Azure", missing(access.env, access.home))
    return _session_of_program(access)


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _token_of_principal(access: Access) -> str:
    """A token by the client credentials flow (learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds)."""
    form = {
        "grant_type": "client_credentials",
        "client_id": access.env[CLIENT],
        "client_secret": access.env[SECRET],
        "scope": f"{MANAGEMENT}/.default",
    }
    url = f"{LOGIN}/{quote(access.env[TENANT], safe='')}/oauth2/v2.0/token"
    try:
        body = access.client.post(url, form=form)
    except AnswerError as error:  # a wrong tenant or client is answered with 400
        raise RefusedError(f"no token for the service principal: {error}", f"check {TENANT} and {CLIENT}") from error
    return read_as(_Token, body, "token").access_token


def _program(env: Mapping[str, str]) -> str | None:
    return shutil.which("az", path=env.get("PATH", ""))


def _is_signed_in(env: Mapping[str, str], home: Path) -> bool:
    """Whether there is an `az` program and somebody has signed in to it: it then keeps a profile."""
    folder = Path(env["AZURE_CONFIG_DIR"]) if env.get("AZURE_CONFIG_DIR") else home / ".azure"
    return _program(env) is not None and (folder / "azureProfile.json").is_file()


def _session_of_program(access: Access) -> Session:
    program = _program(access.env)
    command = [str(program), "account", "get-access-token", "--output", "json", "--resource", f"{MANAGEMENT}/"]
    wanted = access.env.get(SUBSCRIPTION, "")
    if wanted:
        command += ["--subscription", wanted]
    longest_s = access.client.patience.read_s
    try:
        done = subprocess.run(  # noqa: S603 (the program that the user signed in to; no text of others)
            command, env=dict(access.env), stdin=subprocess.DEVNULL, capture_output=True, timeout=longest_s, check=True
        )
    except subprocess.TimeoutExpired as error:
        raise UnreachableError(f"az: no token after {longest_s:g} s", "try again later") from error
    except (OSError, subprocess.CalledProcessError) as error:
        raise RefusedError("az: it gives no token", "sign in with `az login`") from error
    answer = read_as(_ProgramToken, done.stdout, "az account get-access-token")
    subscription = wanted or answer.subscription
    if not subscription:
        raise RefusedError("az: no subscription is chosen", f"set {SUBSCRIPTION}")
    return Session(subscription, _bearer(answer.access_token))

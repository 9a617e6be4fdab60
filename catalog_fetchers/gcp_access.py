"""How Google's APIs are reached: credentials of the user, a token for them, and lists that come in pages.

Credentials are the file that Google's own tools write: a service account's key, or what
`gcloud auth application-default login` left (cloud.google.com/docs/authentication/application-default-credentials).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import parse_qsl

from google.auth import exceptions
from google.oauth2 import credentials, service_account
from pydantic import BaseModel, Field

from catalog_fetchers.answers import read_as
from catalog_fetchers.base import Access, Page
from catalog_fetchers.client import Client
from catalog_fetchers.errors import AnswerError, RefusedError

FILE_VARIABLE: Final = "GOOGLE_APPLICATION_CREDENTIALS"
PROJECT_VARIABLE: Final = "GOOGLE_CLOUD_PROJECT"
QUOTA_VARIABLE: Final = "GOOGLE_CLOUD_QUOTA_PROJECT"
WELL_KNOWN_FILE: Final = ".config/gcloud/application_default_credentials.json"
SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
NEEDS: Final = f"{FILE_VARIABLE} or ~/{WELL_KNOWN_FILE}, and {PROJECT_VARIABLE}"


_READERS: Final[Mapping[str, Callable[..., Any]]] = MappingProxyType(
    {
        "authorized_user": credentials.Credentials.from_authorized_user_info,
        "service_account": service_account.Credentials.from_service_account_info,
    }
)
"""What reads a file of credentials, by the type that it states."""


class _Listed(BaseModel):
    next_page_token: str = Field("", alias="nextPageToken")


@dataclass(frozen=True)
class Grant:
    """A token for some minutes, and the project whose quota pays for its calls ("" where the token names one)."""

    token: str
    quota_project: str

    @property
    def headers(self) -> dict[str, str]:
        """The headers of a request that uses it."""
        quota = {"X-Goog-User-Project": self.quota_project} if self.quota_project else {}
        return {"Authorization": f"Bearer {self.token}", **quota}


def credentials_file(env: Mapping[str, str], home: Path) -> Path | None:
    """The user's file of credentials, None where there is none."""
    file = Path(env[FILE_VARIABLE]) if env.get(FILE_VARIABLE) else home / WELL_KNOWN_FILE
    return file if file.is_file() else None


def has_project(env: Mapping[str, str], home: Path) -> bool:
    """Whether there is what a call about a project needs."""
    return bool(env.get(PROJECT_VARIABLE)) and credentials_file(env, home) is not None


def missing(env: Mapping[str, str], home: Path) -> str:
    """What of credentials and project is not there."""
    if credentials_file(env, home) is None:
        return f"run `gcloud auth application-default login`, or set {FILE_VARIABLE} to the key of a service account"
    return "" if env.get(PROJECT_VARIABLE) else f"set {PROJECT_VARIABLE}"


def granted(access: Access) -> Grant:
    """A token for the user's credentials.

    Raises:
        UnreachableError, AnswerError: see each.
        RefusedError: there are no credentials that can be used, or they are not accepted.
    """
    file = credentials_file(access.env, access.home)
    if file is None:
        raise RefusedError("no Google credentials", missing(access.env, access.home))
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
        found = _READERS[said["type"]](said, scopes=[SCOPE])
        found.refresh(_sender(access.client))
    except (OSError, ValueError, KeyError, TypeError, exceptions.GoogleAuthError) as error:
        what = "of a service account or of `gcloud auth application-default login`"
        raise RefusedError(f"{file.name}: no usable credentials {what}", "renew it") from error
    return Grant(found.token, access.env.get(QUOTA_VARIABLE) or found.quota_project_id or "")


@dataclass(frozen=True)
class _Token:
    """An answer as google.auth takes it."""

    data: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def _sender(client: Client) -> Callable[..., _Token]:
    """What google.auth asks for tokens with: sends its requests as every other one of a source is sent."""

    def send(url: str, body: bytes | None = None, **_: object) -> _Token:
        try:
            return _Token(client.post(url, form=dict(parse_qsl((body or b"").decode()))))
        except AnswerError as error:  # 400 and `invalid_grant` where credentials were withdrawn
            raise RefusedError(f"{error}: no token for the Google credentials", "renew them") from error

    return send


def listed(
    access: Access, url: str, name: str, headers: Mapping[str, str], size: Mapping[str, int] = MappingProxyType({})
) -> list[Page]:
    """All pages of a list, named `name/1` and on; `size` is how many items one may have.

    Raises:
        UnreachableError, RefusedError, AnswerError, RepeatedPageError: see each.
    """
    pages: list[Page] = []

    def step(token: str) -> str | None:
        asked: dict[str, str | int] = {**size, **({"pageToken": token} if token else {})}
        body = access.client.get(url, params=asked, headers=headers)
        pages.append(Page(f"{name}/{len(pages) + 1}", body))
        return read_as(_Listed, body, name).next_page_token or None

    access.client.follow("", step)
    return pages

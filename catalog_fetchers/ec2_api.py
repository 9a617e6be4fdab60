"""EC2's API through Amazon's own client, for the sources that ask it: credentials, regions, pages and errors.

Credentials are found as every tool of AWS finds them: environment variables, a profile, a role. Requests keep to the
rate and the time of the look; what may pass is retried by Amazon's client. `AWS_ENDPOINT_URL` and
`AWS_ENDPOINT_URL_EC2` send the requests elsewhere, and so does a mirror.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import boto3
import botocore.session
from botocore import exceptions as amazon
from botocore.config import Config
from botocore.parsers import ResponseParserError
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_pascal

from catalog_fetchers.answers import read_as
from catalog_fetchers.base import Access
from catalog_fetchers.ec2_places import is_region
from catalog_fetchers.errors import AnswerError, RefusedError, UnreachableError

HOME: Final = "us-east-1"
"""The region that is asked which others there are."""
NEEDS: Final = "AWS credentials (environment, profile or role)"

_KEYS: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_ELSEWHERE: Final = (
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
# Codes of docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html.
_REFUSALS: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthFailure",
        "Blocked",
        "ExpiredToken",
        "InvalidClientTokenId",
        "OptInRequired",
        "PendingVerification",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnauthorizedOperation",
        "UnrecognizedClientException",
    }
)
_PASSING: Final = frozenset(
    {
        "InternalError",
        "MaxConfigLimitExceeded",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "Throttling",
        "ThrottlingException",
        "Unavailable",
    }
)
_NO_CREDENTIALS: Final = (
    amazon.CredentialRetrievalError,
    amazon.NoCredentialsError,
    amazon.PartialCredentialsError,
    amazon.ProfileNotFound,
    amazon.SSOError,
    amazon.TokenRetrievalError,
)


class Answer(BaseModel):
    """A part of an answer of EC2, whose fields are named `InstanceType` where ours are `instance_type`."""

    model_config = ConfigDict(alias_generator=to_pascal, populate_by_name=True)


class _Region(Answer):
    region_name: str


class _Regions(Answer):
    regions: list[_Region]


class Ec2:
    """EC2 as the user's account sees it, in each of its regions."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._clients: dict[str, Any] = {}

    def regions(self) -> list[str]:
        """The regions that the account may use.

        Raises:
            UnreachableError, RefusedError, AnswerError: see each.
        """
        answers = [read_as(_Regions, body, "regions") for body in self.ask(HOME, "describe_regions")]
        names = {region.region_name for answer in answers for region in answer.regions}
        return sorted(name for name in names if is_region(name))

    def ask(self, region: str, operation: str, **asked: Any) -> list[bytes]:  # noqa: ANN401 (what the API takes)
        """All pages of an answer, as JSON; `operation` and `asked` are those of boto3 (`describe_regions`).

        Raises:
            UnreachableError, RefusedError, AnswerError: see each.
        """
        pages: list[bytes] = []

        def one(token: str) -> str | None:
            answer = self._answer(region, operation, asked | ({"NextToken": token} if token else {}))
            answer.pop("ResponseMetadata")
            pages.append(json.dumps(answer, default=str).encode())
            return answer.get("NextToken") or None

        self._access.client.follow("", one)
        return pages

    def _answer(self, region: str, operation: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """One page. Amazon's client does not try again where an answer breaks off, so that is done here."""
        where = f"ec2 {operation} in {region}"
        for _ in range(self._access.client.patience.attempts):
            with _our_errors(where, operation), suppress(ResponseParserError):
                answer: dict[str, Any] = getattr(self._client(region), operation)(**asked)
                return answer
        raise AnswerError(f"{where}: expected XML, got something else or a part of it")

    def _client(self, region: str) -> Any:  # noqa: ANN401 (boto3 makes its methods while it runs)
        if region not in self._clients:
            patience = self._access.client.patience
            client = _session(self._access).client(
                "ec2",
                region_name=region,
                endpoint_url=self._endpoint(region),
                config=Config(
                    connect_timeout=patience.connect_s,
                    read_timeout=patience.read_s,
                    retries={"mode": "standard", "total_max_attempts": patience.attempts},
                    user_agent_extra="skybroker",
                ),
            )
            client.meta.events.register("before-send.ec2", self._before_send)
            self._clients[region] = client
        return self._clients[region]

    def _before_send(self, **_: object) -> None:
        self._access.client.wait()  # before repetitions too

    def _endpoint(self, region: str) -> str | None:
        env, client = self._access.env, self._access.client
        chosen = env.get("AWS_ENDPOINT_URL_EC2") or env.get("AWS_ENDPOINT_URL")
        own = f"https://ec2.{region}.amazonaws.com/"
        return chosen or (client.address(own) if client.is_mirrored else None)


def missing(env: Mapping[str, str], home: Path) -> str:
    """What to do where no credentials are found; whether those that are found are good, the first request says."""
    if all(env.get(name) for name in _KEYS) or any(env.get(name) for name in _ELSEWHERE):
        return ""
    if any(file.is_file() for file in _files(env, home).values()):
        return ""
    return f"set {' and '.join(_KEYS)}, or AWS_PROFILE, or run `aws configure`"


def _files(env: Mapping[str, str], home: Path) -> dict[str, Path]:
    """The files of AWS's tools, by the names that its client has for them."""
    return {
        "credentials_file": Path(env.get("AWS_SHARED_CREDENTIALS_FILE") or home / ".aws" / "credentials"),
        "config_file": Path(env.get("AWS_CONFIG_FILE") or home / ".aws" / "config"),
    }


def _session(access: Access) -> boto3.Session:
    core = botocore.session.Session(profile=access.env.get("AWS_PROFILE"))
    for variable, file in _files(access.env, access.home).items():
        core.set_config_variable(variable, str(file))
    return boto3.Session(
        aws_access_key_id=access.env.get("AWS_ACCESS_KEY_ID"),
        aws_secret_access_key=access.env.get("AWS_SECRET_ACCESS_KEY"),
        aws_session_token=access.env.get("AWS_SESSION_TOKEN"),
        botocore_session=core,
    )


@contextmanager
def _our_errors(where: str, operation: str) -> Iterator[None]:
    """Errors of Amazon's client as ours. Its texts stay out of refusals: they name accounts and users."""
    try:
        yield
    except amazon.ClientError as error:
        raise _of_code(error, where, operation) from error
    except _NO_CREDENTIALS as error:
        raise RefusedError(f"{where}: no usable credentials ({type(error).__name__})", "run `aws configure`") from error
    except (amazon.HTTPClientError, amazon.ConnectionError) as error:
        raise UnreachableError(f"{where}: {type(error).__name__}", "try again later") from error
    except amazon.BotoCoreError as error:
        raise AnswerError(f"{where}: {error}") from error


def _of_code(error: amazon.ClientError, where: str, operation: str) -> UnreachableError | RefusedError | AnswerError:
    said = error.response.get("Error", {})
    code, text = said.get("Code", "unknown"), said.get("Message", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code == "UnauthorizedOperation":
        action = "".join(word.capitalize() for word in operation.split("_"))
        return RefusedError(f"{where}: not permitted", f"allow ec2:{action}")
    if code in _REFUSALS:
        return RefusedError(f"{where}: the credentials are not accepted ({code})", "renew them")
    if code in _PASSING or status >= 500:
        return UnreachableError(f"{where}: {code}", "try again later")
    return AnswerError(f"{where}: {code}: {text}")

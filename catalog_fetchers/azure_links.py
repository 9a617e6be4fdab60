"""The links between Azure's pages: they may lead to the next page of the same host, and nowhere else."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from catalog_fetchers.errors import AnswerError


def link_within(link: str, url: str) -> str:
    """The link without the port that Azure writes into it (`https://prices.azure.com:443/...`).

    Raises:
        AnswerError: it leads elsewhere than to the host of `url`.
    """
    asked, led = urlsplit(url), urlsplit(link)
    if (led.scheme, led.hostname) != (asked.scheme, asked.hostname):
        raise AnswerError(f"{asked.hostname}: the link to the next page leads to another host")
    return urlunsplit((led.scheme, asked.netloc, led.path, led.query, ""))

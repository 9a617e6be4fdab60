"""`skybroker catalog sources`."""

from __future__ import annotations

from cli.formats import Format
from cli.options import Output


def sources(output: Output = Format.TABLE) -> None:
    """List where prices come from, what each source needs, and when it was last looked at."""
    from cli.printer import print_data
    from cli.refresh_view import print_sources, sources_data

    if output is Format.TABLE:
        print_sources()
    else:
        print_data(sources_data(), output)

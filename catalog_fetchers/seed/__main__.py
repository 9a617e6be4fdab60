"""`python -m catalog_fetchers.seed [--out DIR]`: build the embedded catalog and print what it covers.

Exit codes: 0 done, 1 it could not be built or written, 64 wrong usage.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Final, NoReturn

from catalog_fetchers.seed.build import Seed, build
from catalog_fetchers.seed.coverage import as_text, coverage
from catalog_fetchers.seed.packages import PackageMissingError

EXIT_ERROR: Final = 1
EXIT_USAGE: Final = 64


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        print(f"{self.prog}: {message}", file=sys.stderr)
        raise SystemExit(EXIT_USAGE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the seed; the table of coverage goes to stdout, everything else to stderr."""
    parser = _Parser(prog="python -m catalog_fetchers.seed", description="Build the embedded catalog.")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(str(files("catalog_data") / "seed")),
        metavar="DIR",
        help="folder to write to (default: where the program looks for it)",
    )
    folder: Path = parser.parse_args(arguments).out
    try:
        seed = build(folder)
    except PackageMissingError as error:
        print(error, file=sys.stderr)
        return EXIT_ERROR
    except OSError as error:
        print(f"the seed cannot be written to {folder}: {error.strerror or error}", file=sys.stderr)
        return EXIT_ERROR
    print(as_text(coverage(seed.tables)))
    print(_talk(seed, folder), file=sys.stderr)
    return 0


def _talk(seed: Seed, folder: Path) -> str:
    size_mb = sum(path.stat().st_size for path in folder.glob("*.parquet")) / 1e6
    rows = ", ".join(f"{frame.height:,} {name}" for name, frame in seed.tables.items())
    left_out = sum(count for reasons in seed.dropped.values() for count in reasons.values())
    return f"{rows}; {left_out:,} rows left out (see MANIFEST.json); {size_mb:.1f} MB in {folder}"


if __name__ == "__main__":
    sys.exit(main())

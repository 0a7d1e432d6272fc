"""The `hufu` command; `python -m hufu` is the same."""

from __future__ import annotations

import sys

from hufu.commands import dispatch


def main() -> None:
    """Run the command line and exit with its code."""
    sys.exit(dispatch(sys.argv[1:]))


if __name__ == "__main__":
    main()

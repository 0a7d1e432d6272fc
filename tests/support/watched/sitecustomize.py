"""Python runs this at the start of every process whose path names this folder: watch it for personal data.

What watches is imported with the first log record, or at once in a process that serves: a command
that logs nothing pays nothing.
"""

import logging
import os
import sys


def _watch(*, serves: bool) -> None:
    from tests.support.watch import install  # noqa: PLC0415 - see above

    install(serves=serves, every_address=True)


def _watch_first(self: logging.Logger, record: logging.LogRecord) -> None:
    if logging.Logger.handle is not _watch_first:  # a test runner's worker has put its own watch before this one
        _handle(self, record)
        return
    logging.Logger.handle = _handle  # type: ignore[method-assign]
    _watch(serves=False)
    self.handle(record)


_handle = logging.Logger.handle
if "HUFU_TEST_FINDINGS" in os.environ:
    if "serve" in sys.orig_argv or "run" in sys.orig_argv:
        _watch(serves=True)
    else:
        logging.Logger.handle = _watch_first  # type: ignore[method-assign]

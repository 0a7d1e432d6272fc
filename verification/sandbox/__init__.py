"""Strangers' files are parsed in worker processes that have nothing to lose."""

from verification.sandbox.pool import Sandbox

__all__ = ["Sandbox"]

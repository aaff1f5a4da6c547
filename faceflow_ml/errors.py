"""Exceptions that callers can catch; the command line maps them to exit codes."""

from __future__ import annotations


class FaceFlowError(Exception):
    """The work failed (exit code 1)."""


class ConfigError(FaceFlowError):
    """Bad usage or bad configuration (exit code 2)."""


class SettingsError(ConfigError, ValueError):
    """A setting of the environment is missing or impossible."""


class ImageError(FaceFlowError, ValueError):
    """An image is unreadable, or outside the limits on pixels or bytes."""


class WeightsError(FaceFlowError):
    """A weights file is missing, altered or does not fit this version."""

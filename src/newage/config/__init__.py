"""The configuration: one frozen ``Config`` from all that the operator may have said."""

from newage.config.load import Config, ServerSettings, load, sample

__all__ = ["Config", "ServerSettings", "load", "sample"]

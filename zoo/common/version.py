"""The version of the package; setup.cfg reads it here."""

VERSION = "0.2.0"

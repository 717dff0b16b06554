"""Disaster recovery as code for SDRS."""

__version__ = "0.1.0"

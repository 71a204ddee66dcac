"""Keep transformers' bars and load reports off the terminal; what matters in them is checked and raised instead."""

from __future__ import annotations

from transformers.utils import logging


def quiet_transformers() -> None:
    """Show only transformers' errors, without progress bars. Safe to call again."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()

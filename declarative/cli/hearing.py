"""Who is told of each request to the cloud: the log of `--log-file`, standard error (`-vv`), both, or nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from declarative.cli.setting import Setting

if TYPE_CHECKING:
    from declarative.provider import Exchange, Hearing

_EACH_REQUEST = 2  # `-vv`


def hearing(setting: Setting) -> Hearing | None:
    """What is told of each request; the log is closed with the command. Raises UsageError when it can't be opened."""
    screen, to_log = setting.screen, None
    if setting.log_file is not None:
        from declarative.cli.log_file import LogFile

        log = LogFile(setting.log_file, warn=screen.note)
        if context := click.get_current_context(silent=True):
            context.call_on_close(log.close)
        to_log = log.add
    if screen.verbose < _EACH_REQUEST:
        return to_log

    def tell(exchange: Exchange) -> None:
        from declarative.views.exchanges import exchange_text

        screen.note(exchange_text(exchange))
        if to_log is not None:
            to_log(exchange)

    return tell

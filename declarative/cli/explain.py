"""`explain`: what a finding, a field or an error code means."""

from __future__ import annotations

import click

from declarative.cli.options import formats
from declarative.cli.setting import Setting


@click.command()
@click.argument("subject", metavar="SUBJECT")
@formats("text", "json")
@click.pass_obj
def explain(setting: Setting, subject: str, output_format: str) -> None:
    """Say what SUBJECT means: the id of a finding, a KIND, a KIND.FIELD, or an error code of the service.

    Of a finding its cause and remedy; of a field its type, its limits, and whether it changes in place.

    \b
    Example:
      declarative explain unknown-field
      declarative explain ProtectionGroup.name
      declarative explain SDRS.1303
    """
    from declarative.views.explanations import ExplanationView
    from declarative.workflow.explanations import explain as explained

    setting.screen.present(ExplanationView(explained(subject)), output_format)

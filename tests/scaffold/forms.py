"""The JSON of commands, held to the schemas that `declarative schema NAME` prints."""

import functools
import json
from pathlib import Path

import jsonschema

from declarative.workflow import schemas


@functools.cache
def validator(name):
    schema = json.loads(schemas.schema(name, Path()))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def hold(name, *documents):
    """Each of the texts is JSON that is valid by the schema of this name."""
    assert documents
    for text in documents:
        faults = [f"{error.json_path}: {error.message}" for error in validator(name).iter_errors(json.loads(text))]
        assert faults == []

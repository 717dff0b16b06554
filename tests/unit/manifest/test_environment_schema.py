import json

import pytest
from jsonschema import Draft202012Validator

from declarative.errors import InputError, UsageError
from declarative.manifest import StackMissing, environment_schema_text
from declarative.manifest.variables import VariableSources, collect, declared, given_by

STACK = """\
apiVersion: sdrs/v1
kind: Stack
metadata: {name: shop}
spec:
  variables:
    vpc_id: {type: string, description: VPC of the shop}
    owner: {type: string, default: shop-team, pattern: "^[a-z]+-team$"}
    stage: {type: string, enum: [demo, prod]}
    size: {type: number, enum: [1, 2]}
    keep: {type: boolean, default: true}
    servers: {type: map}
    zones: {type: list, default: []}
"""
FILES = [
    "",
    "vpc_id: a\n",
    "vpc_id: 3\n",
    "vpc_id:\n",
    "owner: db-team\n",
    "owner: db\n",
    f"owner: {'x' * 260}-team\n",
    "stage: prod\n",
    "stage: x\n",
    "size: 2\n",
    "size: 2.0\n",
    "size: 3\n",
    "size: true\n",
    "keep: false\n",
    "keep: 'false'\n",
    "servers: {a: b}\n",
    "servers: [a]\n",
    "zones: [a, {b: c}]\n",
    "zones: {}\n",
    "vpc: a\n",
    "- a\n",
]


@pytest.fixture
def schema(tmp_path):
    (tmp_path / "stack.yaml").write_text(STACK)
    (tmp_path / "other.yaml").write_text("apiVersion: sdrs/v1\nkind: Nope\n")  # does not matter
    return json.loads(environment_schema_text(tmp_path))


@pytest.mark.parametrize("text", FILES, ids=range(len(FILES)))
def test_the_schema_takes_the_files_that_the_variables_take(schema, text):
    import yaml

    variables, _ = declared(yaml.safe_load(STACK)["spec"])
    found = []
    values = collect(variables, given_by(VariableSources(), ("environments/x.yaml", text.encode()), found))
    is_good = not found and not values.findings
    assert Draft202012Validator(schema).is_valid(yaml.safe_load(text)) is is_good


def test_the_schema_says_what_each_variable_is_for(schema):
    Draft202012Validator.check_schema(schema)
    assert schema["properties"]["vpc_id"] == {
        "title": "var.vpc_id",
        "description": "VPC of the shop",
        "type": "string",
    }
    assert schema["properties"]["zones"]["default"] == []


def test_a_stack_that_cannot_be_used_has_no_schema(tmp_path):
    with pytest.raises(UsageError):
        environment_schema_text(tmp_path / "nowhere")
    (tmp_path / "group.yaml").write_text("apiVersion: sdrs/v1\nkind: ProtectionGroup\nmetadata: {name: a}\n")
    with pytest.raises((StackMissing, InputError)):
        environment_schema_text(tmp_path)
    for fault in ("{type: strin}", "{type: string, default: 3}", '{type: string, pattern: "["}'):
        (tmp_path / "stack.yaml").write_text(
            f"apiVersion: sdrs/v1\nkind: Stack\nmetadata: {{name: s}}\nspec: {{variables: {{a: {fault}}}}}\n"
        )
        with pytest.raises(InputError):
            environment_schema_text(tmp_path)

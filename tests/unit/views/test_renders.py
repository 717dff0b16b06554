"""Every render: valid by its schema, whole at any size, and with nothing in it that others could forge."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest
import xmlschema
from markdown_it import MarkdownIt

from declarative.errors import Diagnostic, Position, Severity, shown
from declarative.model import Danger, DangerClass, Outcome, Result, StepOutcome
from declarative.reporting.health import GroupStatus, MemberStatus
from declarative.reporting.health import Report as Health
from declarative.views.findings import FailureView, FindingsView
from declarative.views.health import HealthView
from declarative.views.outcomes import OutcomeView
from declarative.views.plans import DriftView, PlanView
from declarative.views.renders import RENDERS, render
from declarative.views.renders.markdown import LIMIT
from declarative.views.renders.marks import is_render
from declarative.views.report import Invocation
from declarative.views.text import plain
from tests.scaffold.rendered import hostile_finding, hostile_plan, plan_of

ROOT = Path(__file__).parents[3]
SCHEMAS = ROOT / "tests" / "data" / "schemas"
COMMAND = "declarative apply plan.json --plan-sha256 " + "a" * 64

# One or more for each kind of trick in each format.
HOSTILE = {
    "html-tag": "<script>alert(1)</script>",
    "html-image": "<img src=x onerror=alert(1)>",
    "html-attribute": '" onmouseover="alert(1)" x="',
    "html-single-quote": "' autofocus onfocus='alert(1)",
    "html-end-of-parts": "</title></style></script></pre></details></main></body></html>",
    "html-comment": "--><b>forged</b><!--",
    "html-entity": "&lt;script&gt; &#60;b&#62; &amp;",
    "html-meta": '<meta http-equiv="refresh" content="0;url=http://evil.example">',
    "html-base": "<base href=//evil.example>",
    "markdown-fence": "```\n# Approved by security\n```",
    "markdown-long-fence": "``````````",
    "markdown-tildes": "~~~~\nforged",
    "markdown-span": "`code` ``code``",
    "markdown-link": "[Approve](http://evil.example) <http://evil.example> [x]: http://evil.example",
    "markdown-image": "![x](http://evil.example/pixel.png)",
    "markdown-auto-link": "http://evil.example www.evil.example mail@evil.example mailto:a@evil.example",
    "markdown-heading": "\n\n# OK. Nothing to do.\n\n",
    "markdown-table": "a | b |\n|---|---|\n| c | d",
    "markdown-emphasis": "**bold** __bold__ *it* ~~gone~~",
    "markdown-mention": "@team/security please see #1, !2, GH-3, a@b and org/repo#4",
    "markdown-details": "</summary></details>\n\n**OK.** forged",
    "markdown-mark": "<!-- declarative render 1; command=plan; folder=.; environment=prod -->",
    "markdown-formula": "$\\text{forged}$ $$x$$",
    "markdown-hard-break": "a  \n\\\nb",
    "github-command": "::error file=x::forged",
    "github-command-on-a-new-line": "x\n::error::forged\r\n::add-mask::a\r::stop-commands::x",
    "github-escapes": "%0A::error::forged%0D%25",
    "github-property": "x,line=1,title=forged::forged",
    "github-old-command": "##[error]forged ##vso[task.complete result=Succeeded]",
    "gitlab-section": "\x1b[0Ksection_start:1:forged\r\x1b[0Kforged",
    "terminal-escape": "\x1b[2J\x1b[31mforged\x1b]8;;http://evil.example\x07x\x1b]8;;\x07",
    "terminal-c1": "\x9b31mforged\x85next",
    "bidi": "abc\u202egnp.exe\u202c \u2066x\u2069",
    "separators": "a\u2028b\u2029c\x0bd\x0ce\x1cf",
    "zero-width": "a\u200bb\ufeffc\u00add",
    "null": "a\x00b",
    "xml-cdata": "]]><failure message='x'/><![CDATA[",
    "xml-entity": "<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>&a;",
    "xml-not-a-character": "a\ufffe\uffff\ud800b",
    "xml-end": "</system-out></testcase><testcase name='forged'/>",
    "sarif-link": "[forged](http://evil.example) [x](1)",
    "sarif-placeholder": "{0} {forged}",
    "json-quote": '","exit_code":0,"forged":"',
    "json-backslash": '\\",\\u0022',
    "uri": "../../etc/passwd?x#y%2e%2e",
    "uri-scheme": "javascript:alert(1)",
    "shell": "'; rm -rf / #$(id)`id`",
    "long": "x" * 9000,
    "empty": "",
}


def views(text):
    """Every view that can be rendered, with the text in every place."""
    plan, finding = hostile_plan(text), hostile_finding(text)
    ends = [StepOutcome(one, result, text, text) for one in plan.steps for result in Result]
    member = MemberStatus(
        kind="ReplicationPair", id=text, name=text, status=text, copying=text, troubles=(shown(text),)
    )
    drill = MemberStatus(kind="DRDrill", id=text, name=text, status=text)
    group = GroupStatus(id=text, name=text, status=text, side=text, production=text, wanted=text, members=(member,),
                        troubles=(shown(text),), last_drill=drill)  # fmt: skip
    return {
        "plan": PlanView(plan),
        "drift": DriftView(plan.drift),
        "validate": FindingsView([finding, hostile_finding(text, Severity.WARNING)]),
        "status": HealthView(Health((group,), (shown(text),))),
        "apply": OutcomeView(plan, Outcome(tuple(ends), plan.withheld, {text: text}, conflict=text or "aside")),
        "refused": FailureView([finding], plan),
    }


def rendered(view, name, command="plan", folder="."):
    return render(name, view.report(), Invocation(command, 1, folder, "prod", COMMAND))


def harmless(view):
    """The same view with words in place of what others wrote."""
    return views("harmless")[view]


CASES = [pytest.param(text, view, id=f"{name}-{view}") for name, text in HOSTILE.items() for view in views("x")]


# ---------------------------------------------------------------- nothing is forged


def lines_of(text):
    """Lines as any reader or runner may part them."""
    return re.split(r"\r\n|[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]", text)


@pytest.mark.parametrize(("text", "view"), CASES)
def test_no_line_of_a_render_is_made_by_others(text, view):
    for name in RENDERS:
        found = rendered(views(text)[view], name)
        found.encode()  # a lone surrogate could not be written
        assert all(char.isprintable() or char == "\n" for char in found), name
        assert "##[" not in found, name
        assert "##vso" not in found, name
        commands = [line for line in lines_of(found) if line.strip().startswith("::")]
        if name == "github":
            expected = rendered(harmless(view), name)
            assert len(commands) == len(lines_of(found)) - 1 == len(lines_of(expected)) - 1
        else:
            assert commands == [], name


@pytest.mark.parametrize(("text", "view"), CASES)
def test_text_for_a_reader_begins_no_line_with_what_others_wrote(text, view):
    found = plain(views(text)[view].text())
    assert all(char.isprintable() or char == "\n" for char in found)
    assert [line for line in lines_of(found) if line.strip().startswith(("::", "##["))] == []


class Page(HTMLParser):
    """The tags and attributes of a page, in order, and its texts."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes = [], set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes |= {(tag, name) for name, _ in attrs}
        assert not [name for name, _ in attrs if name.startswith("on") or name in ("src", "href", "style", "action")]

    def handle_endtag(self, tag):
        self.tags.append(f"/{tag}")

    def handle_comment(self, data):
        raise AssertionError(f"a comment: {data}")


@pytest.mark.parametrize(("text", "view"), [case for case in CASES if not case.id.startswith("empty")])
def test_a_page_has_no_tag_and_no_attribute_that_others_brought(text, view):
    found, expected = Page(rendered(views(text)[view], "html")), Page(rendered(harmless(view), "html"))
    assert found.tags == expected.tags
    assert found.attributes == expected.attributes


ALLOWED_HTML = re.compile(r"<!-- declarative render 1; [^<>]* -->|</?details( open)?>|</?summary>|</?b>|</?span>")


def tokens(text):
    markdown = MarkdownIt("commonmark", {"html": True, "linkify": False}).enable(["table", "strikethrough"])
    for token in markdown.parse(text):
        yield token
        yield from token.children or ()


@pytest.mark.parametrize(("text", "view"), CASES)
def test_a_comment_has_nothing_in_it_that_others_brought(text, view):
    found = rendered(views(text)[view], "markdown")
    html = [one.content for one in tokens(found) if one.type in ("html_block", "html_inline")]
    for block in html:
        left = re.sub(r"<b>[\w/\[\]. -]*</b>: [\w, ]*", "", block)
        for tag in re.findall(r"<[^>]*>?", left):
            assert ALLOWED_HTML.fullmatch(tag), block
    assert not {one.type for one in tokens(found)} & {"link_open", "image", "s_open", "em_open", "code_block", "hr"}
    headings = [one.tag for one in tokens(found) if one.type == "heading_open"]
    expected = [one.tag for one in tokens(rendered(harmless(view), "markdown")) if one.type == "heading_open"]
    assert headings == expected
    prose = "".join(one.content for one in tokens(found) if one.type == "text")
    assert not re.search(r"[@#]\w|://|www\.|GH-\d", prose), prose


@pytest.mark.parametrize(("text", "view"), CASES)
def test_an_annotation_has_the_properties_that_we_gave_it(text, view):
    for line in rendered(views(text)[view], "github").splitlines()[1:]:
        command, properties, _ = re.fullmatch(r"::(error|warning|notice) ([^:]*)::(.*)", line).groups()
        names = [one.partition("=")[0] for one in properties.split(",")]
        assert names in (["title"], ["file", "line", "col", "title"]), (command, properties)


# ---------------------------------------------------------------- schemas


def good_views():
    plan = plan_of(30)
    ends = tuple(StepOutcome(one, Result.DONE, seconds=1234.5) for one in plan.steps)
    return {"plan": PlanView(plan), "drift": DriftView(()), "validate": FindingsView(()),
            "status": HealthView(Health()), "apply": OutcomeView(plan, Outcome(ends))}  # fmt: skip


EVERY = [*CASES, *(pytest.param(None, view, id=f"good-{view}") for view in good_views())]


def any_view(text, view):
    return good_views()[view] if text is None else views(text)[view]


SARIF = jsonschema.Draft7Validator(json.loads((SCHEMAS / "sarif-2.1.0.json").read_text()))
GITLAB = jsonschema.Draft202012Validator(json.loads((SCHEMAS / "gitlab-code-quality.json").read_text()))
JUNIT = xmlschema.XMLSchema(str(SCHEMAS / "junit-10.xsd"))
SUMMARY = jsonschema.Draft202012Validator(json.loads((ROOT / "schemas" / "summary.json").read_text()))


@pytest.mark.parametrize(("text", "view"), EVERY)
def test_sarif_is_valid_by_the_published_schema(text, view):
    document = json.loads(rendered(any_view(text, view), "sarif"))
    SARIF.validate(document)
    assert document["version"] == "2.1.0"
    texts = [one["message"]["text"] for one in document["runs"][0]["results"]]
    assert [one for one in texts if re.search(r"(?<!\\)\]\(", one)] == []


@pytest.mark.parametrize(("text", "view"), EVERY)
def test_junit_is_valid_by_the_published_schema(text, view):
    found = rendered(any_view(text, view), "junit")
    JUNIT.validate(ElementTree.fromstring(found.encode()))
    cases = ElementTree.fromstring(found.encode()).findall("testsuite/testcase")
    assert len(cases) == len(any_view(text, view).report().cases) > 0


@pytest.mark.parametrize(("text", "view"), EVERY)
def test_a_code_quality_report_is_valid_and_its_fingerprints_differ(text, view):
    document = json.loads(rendered(any_view(text, view), "gitlab"))
    GITLAB.validate(document)
    assert len({one["fingerprint"] for one in document}) == len(document)


@pytest.mark.parametrize(("text", "view"), EVERY)
def test_a_summary_is_one_line_by_its_schema(text, view):
    found = rendered(any_view(text, view), "summary")
    assert found.count("\n") == 1
    SUMMARY.validate(json.loads(found))


@pytest.mark.parametrize(("view", "schema"), [("drift", "drift"), ("apply", "outcome"), ("validate", "findings")])
def test_json_is_what_its_schema_says(view, schema):
    validator = jsonschema.Draft202012Validator(json.loads((ROOT / "schemas" / f"{schema}.json").read_text()))
    validator.validate(json.loads(views("x")[view].json()))
    validator.validate(json.loads(good_views()[view].json()))


# ---------------------------------------------------------------- ids, places, fingerprints


def one_finding(line=3, summary="the field 'nam' is not known"):
    return Diagnostic(summary, "Did you mean 'name'?", Position("./shop/groups.yaml", line, 5), id="unknown-field")


def test_the_rule_of_a_finding_is_its_id():
    (result,) = json.loads(rendered(FindingsView([one_finding()]), "sarif", "validate"))["runs"][0]["results"]
    assert result["ruleId"] == "unknown-field"
    place = result["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "shop/groups.yaml"}, "region": {"startLine": 3, "startColumn": 5}}


def test_the_rule_of_a_danger_is_its_class():
    results = json.loads(rendered(PlanView(plan_of(30)), "sarif"))["runs"][0]["results"]
    assert {one["ruleId"] for one in results} == {"danger-delete", "withheld"}


def test_a_fingerprint_outlives_a_move_in_the_file():
    first, second = (json.loads(rendered(FindingsView([one_finding(line)]), "gitlab")) for line in (3, 90))
    assert first[0]["fingerprint"] == second[0]["fingerprint"]
    assert first[0]["location"]["lines"] == {"begin": 3}


def test_an_annotation_stands_at_its_place():
    found = rendered(FindingsView([one_finding()]), "github", "validate").splitlines()
    assert found[1] == (
        "::error file=shop/groups.yaml,line=3,col=5,title=unknown-field::"
        "the field 'nam' is not known. Did you mean 'name'?"
    )


# ---------------------------------------------------------------- Markdown


def test_a_comment_says_first_what_needs_a_decision_and_last_how_to_apply():
    found = rendered(PlanView(plan_of(30)), "markdown")
    head = ["**Needs consent.**", "Consents given", "Dangers without a consent", "--allow", "What it means"]
    order = [*head, "| Action |", "<details><summary><b>ProtectionGroup/app-0</b>", "Digest of the plan", COMMAND]
    places = [found.index(one) for one in order]
    assert places == sorted(places)


@pytest.mark.parametrize("steps", [1000, 5000])
def test_a_comment_is_cut_between_two_steps_and_stays_whole(steps):
    plan = plan_of(steps)
    found = rendered(PlanView(plan), "markdown")
    assert LIMIT - 3000 < len(found) <= LIMIT
    assert found.count("<details") == found.count("</details>")
    fences = re.findall(r"^```+", found, re.MULTILINE)
    assert len(fences) % 2 == 0
    left = int(re.search(r"_([\d,]+) further steps left out", found)[1].replace(",", ""))
    shown_steps = len(re.findall(r"^[+!-] (?:create|rename|delete|enable|disable) ", found, re.MULTILINE))
    assert shown_steps + left == len(plan.steps)
    assert found.rstrip().endswith("```")
    assert COMMAND in found


def test_the_mark_is_the_same_for_a_plan_and_for_its_failure():
    good = rendered(PlanView(plan_of(1)), "markdown", folder="stacks/shop").splitlines()[0]
    bad = rendered(FailureView([one_finding()]), "markdown", folder="stacks/shop").splitlines()[0]
    key = "<!-- declarative render 1; command=plan; folder=stacks/shop; environment=prod"
    assert good.startswith(key)
    assert bad == f"{key} -->"


# ---------------------------------------------------------------- HTML


def test_a_page_needs_no_network_and_lets_in_its_own_style_and_script_alone():
    found = rendered(PlanView(plan_of(30)), "html")
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', found)
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert not re.search(r"https?://|url\(|@import", found)


def test_a_page_draws_the_steps_and_tells_their_actions_to_the_filter():
    found = rendered(PlanView(plan_of(30)), "html")
    assert found.count('<svg class="graph"') == 6
    assert found.count('class="step"') == 30
    assert set(re.findall(r'data-verb="(\w+)"', found)) == {"create", "rename", "delete", "enable", "disable"}


def test_many_equal_steps_of_a_group_are_drawn_as_one():
    found = rendered(PlanView(plan_of(60, members=57)), "html")
    assert "create 29 replication pairs" in found
    assert found.count('<g class="box') == 4


# ---------------------------------------------------------------- marks


@pytest.mark.parametrize("name", RENDERS)
@pytest.mark.parametrize("view", views("x"))
def test_a_render_is_known_again(name, view):
    assert is_render(rendered(views("x")[view], name).encode())


@pytest.mark.parametrize("view", [*good_views(), "refused"])
def test_a_json_result_is_known_again(view):
    found = {**views("x"), **good_views()}[view]
    assert is_render(found.json().encode())


@pytest.mark.parametrize(
    "content",
    [b"precious", b"{}", b"<!doctype html>\n<html>", b'{"version":"2.1.0","runs":[]}', b"# a page", b"[1]", b"[" * 9999,
     b'[{"check_name":"eslint"}]', b'[{"check_name":"declarative/plan"},{"check_name":"eslint"}]', b"::error::x\n",
     b'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites/>', b'{"format":"declarative.state/1"}', b"null"],
)  # fmt: skip
def test_what_others_wrote_is_no_render(content):
    assert not is_render(content)


def test_a_plan_that_nothing_can_carry_out_names_no_command():
    plan = plan_of(30)
    barred = replace(plan, dangers=(*plan.dangers, Danger(DangerClass.PREVENT_DESTROY, "it is guarded")))
    for name in ("markdown", "html"):
        assert COMMAND in rendered(PlanView(plan), name)
        assert COMMAND not in rendered(PlanView(barred), name)
        assert "No option overrides this" in rendered(PlanView(barred), name)

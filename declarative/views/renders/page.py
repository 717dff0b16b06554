"""Style and script of the HTML page. Both are fixed texts, named by their digests in the page's content policy."""

from __future__ import annotations

import base64
import hashlib
from typing import Final

STYLE: Final = """
:root{color-scheme:light dark;--bg:#fff;--fg:#1f2328;--soft:#59636e;--line:#d1d9e0;--card:#f6f8fa;--add:#116329;
--addbg:#dafbe1;--change:#7d4e00;--changebg:#fff8c5;--remove:#a40e26;--removebg:#ffebe9;--accent:#0550ae}
@media(prefers-color-scheme:dark){:root{--bg:#0d1117;--fg:#e6edf3;--soft:#9198a1;--line:#3d444d;--card:#161b22;
--add:#56d364;--addbg:#12261e;--change:#e3b341;--changebg:#2b2411;--remove:#ff7b72;--removebg:#31171a;
--accent:#79c0ff}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
"Liberation Sans","Helvetica Neue",Arial,sans-serif}
main{max-width:1120px;margin:0 auto;padding:28px 24px 64px}
h1{font-size:24px;line-height:1.25;margin:0 0 4px}h2{font-size:17px;margin:32px 0 10px}
p{margin:6px 0}.soft{color:var(--soft)}.facts{font-size:13px;margin:0 0 18px;overflow-wrap:anywhere}
code,pre,.mono{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono","DejaVu Sans Mono",monospace;
font-size:13px}
code{overflow-wrap:anywhere}
pre{margin:0;padding:12px 14px;background:var(--card);border:1px solid var(--line);border-radius:8px;overflow-x:auto;
white-space:pre-wrap;overflow-wrap:anywhere}
.verdict{display:flex;gap:12px;align-items:baseline;padding:14px 16px;border:1px solid var(--line);
border-left-width:5px;
border-radius:8px;background:var(--card)}
.verdict b{white-space:nowrap}.verdict.ok{border-left-color:var(--add)}.verdict.ok b{color:var(--add)}
.verdict.warning{border-left-color:var(--change)}.verdict.warning b{color:var(--change)}
.verdict.error{border-left-color:var(--remove)}.verdict.error b{color:var(--remove)}
ul{margin:6px 0;padding-left:20px}li{margin:4px 0;overflow-wrap:anywhere}
.danger{border:1px solid var(--line);border-left:4px solid var(--remove);border-radius:8px;padding:10px 14px;
margin:8px 0;
overflow-wrap:anywhere}
.danger summary{cursor:pointer;color:var(--soft)}.paste{max-height:220px;overflow-y:auto}
.step .soft{font-size:13px}
.danger.given{border-left-color:var(--line)}.danger b{color:var(--remove)}.danger.given b{color:var(--soft)}
table{border-collapse:collapse;width:100%}.counts{width:auto;min-width:380px}
th,td{text-align:left;padding:6px 12px 6px 0;border-bottom:1px solid var(--line);vertical-align:top}
th{font-size:12px;color:var(--soft);font-weight:600}.num{text-align:right;padding-right:0;
font-variant-numeric:tabular-nums}
.verb{display:inline-block;min-width:68px;padding:1px 8px;border-radius:999px;font-size:12px;font-weight:600;
text-align:center}
.verb.add{color:var(--add);background:var(--addbg)}.verb.change{color:var(--change);background:var(--changebg)}
.verb.remove{color:var(--remove);background:var(--removebg)}.verb.faint,.verb.plain{color:var(--soft);
background:var(--card)}
.filter{position:sticky;top:0;z-index:1;display:flex;flex-wrap:wrap;gap:8px 14px;align-items:center;padding:10px 0;
background:var(--bg);border-bottom:1px solid var(--line);margin-bottom:12px}
.filter label{display:inline-flex;gap:5px;align-items:center;cursor:pointer}
.filter input[type=search]{font:inherit;padding:5px 10px;min-width:240px;color:inherit;background:var(--bg);
border:1px solid var(--line);border-radius:6px}
.filter button{font:inherit;font-size:13px;padding:4px 10px;color:inherit;background:var(--card);
border:1px solid var(--line);border-radius:6px;cursor:pointer}
.group{border:1px solid var(--line);border-radius:8px;margin:8px 0;content-visibility:auto;
contain-intrinsic-size:auto 44px}
.group>summary{padding:10px 14px;cursor:pointer;display:flex;flex-wrap:wrap;gap:4px 10px;align-items:center}
.group>summary::before{content:"\\25B8";color:var(--soft);width:12px}.group[open]>summary::before{content:"\\25BE"}
.group>summary::-webkit-details-marker{display:none}
.group>summary .verb{min-width:0}.group[open]>summary{border-bottom:1px solid var(--line)}
.inside{padding:4px 14px 12px}.scroll{overflow-x:auto;margin:10px 0}
.step{padding:10px 0;border-bottom:1px solid var(--line)}.step:last-child{border-bottom:0}
.step .what{display:flex;flex-wrap:wrap;gap:4px 10px;align-items:baseline}.step .addr{font-weight:600;
overflow-wrap:anywhere}
.fields{margin:6px 0 0 78px;display:grid;grid-template-columns:minmax(200px,max-content) 1fr;gap:2px 16px}
.fields dt{color:var(--soft);overflow-wrap:anywhere}.fields dd{margin:0;overflow-wrap:anywhere}
.add{color:var(--add)}.remove{color:var(--remove)}.change{color:var(--change)}.faint{color:var(--soft)}
.strong{font-weight:600}
.left{margin:6px 0 0 78px;color:var(--change)}
svg.graph{display:block}.arrow{fill:none;stroke:var(--soft);stroke-width:1.3}.head{fill:var(--soft)}
.box rect{fill:var(--bg);stroke:var(--line);stroke-width:1.5}.box text{font-size:12px;fill:var(--soft)}
.box text.name{font-size:13px;font-weight:600;fill:var(--fg)}.box.add rect{stroke:var(--add);fill:var(--addbg)}
.box.change rect{stroke:var(--change);fill:var(--changebg)}.box.remove rect{stroke:var(--remove);fill:var(--removebg)}
[hidden]{display:none!important}:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
@media(max-width:640px){main{padding:18px 14px 48px}.fields,.left{margin-left:0}.fields{grid-template-columns:1fr}
.counts{min-width:0;width:100%}}
@media print{.paste{max-height:none}
:root{--bg:#fff;--fg:#000;--soft:#444;--line:#bbb;--card:#fff;--add:#116329;--addbg:#fff;
--change:#7d4e00;
--changebg:#fff;--remove:#a40e26;--removebg:#fff}body{font-size:11px}main{max-width:none;padding:0}
.filter{display:none}
.group{content-visibility:visible}.step,.danger,.group>summary{break-inside:avoid}.verb{border:1px solid currentColor}
svg.graph{max-width:100%;height:auto}pre{white-space:pre-wrap}}
"""

SCRIPT: Final = """
(function(){"use strict";
var form=document.getElementById("filter");if(!form)return;form.hidden=false;
var groups=Array.from(document.querySelectorAll("details[data-name]"));
var told=document.getElementById("shown"),search=form.querySelector("input[type=search]"),timer=0;
function apply(){
var verbs=new Set(Array.from(form.querySelectorAll("input[type=checkbox]:checked"),function(one){return one.value}));
var wanted=search.value.trim().toLowerCase(),count=0;
groups.forEach(function(group){
var own=group.dataset.name.toLowerCase().includes(wanted),some=0;
group.querySelectorAll(".step").forEach(function(step){
var fits=verbs.has(step.dataset.verb)&&(own||step.dataset.name.toLowerCase().includes(wanted));
step.hidden=!fits;if(fits)some+=1});
group.hidden=!some;count+=some});
told.textContent=count+(count===1?" step":" steps")+" shown"}
form.addEventListener("input",function(){clearTimeout(timer);timer=setTimeout(apply,120)});
form.addEventListener("submit",function(event){event.preventDefault()});
form.querySelector("button[data-open]").addEventListener("click",function(){
groups.forEach(function(one){if(!one.hidden)one.open=true})});
form.querySelector("button[data-close]").addEventListener("click",
function(){groups.forEach(function(one){one.open=false})});
var before=[];
window.addEventListener("beforeprint",function(){before=groups.filter(function(one){return!one.open});
before.forEach(function(one){one.open=true})});
window.addEventListener("afterprint",function(){before.forEach(function(one){one.open=false})});
apply()})();
"""


def _named(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


POLICY: Final = (
    f"default-src 'none'; style-src {_named(STYLE)}; script-src {_named(SCRIPT)}; base-uri 'none'; form-action 'none'"
)

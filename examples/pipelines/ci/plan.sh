#!/bin/sh
# Plans the stack in FOLDER for ENVIRONMENT, with the consents in ALLOW. Leaves the renders and the facts of the plan in
# declarative-out/: plan.env has its digest, whether something is to be done (`pending`), and how many consents are missing.
set -eu
: "${DECLARATIVE_STATE:?says where the state is kept; without it an empty one would be taken}"
ci=$(dirname "$0")
. "$ci/consents.sh"
out=$PWD/declarative-out
mkdir -p "$out"
[ -z "${GITHUB_ACTIONS:-}" ] || set -- "$@" --render github=-

code=0
declarative -C "$FOLDER" --env "$ENVIRONMENT" plan --detailed-exitcode \
    --render "markdown=$out/plan.md" --render "html=$out/plan.html" --render "summary=$out/plan.json" \
    --render "gitlab=$out/code-quality.json" --render "junit=$out/junit.xml" "$@" || code=$?

[ -z "${GITHUB_STEP_SUMMARY:-}" ] || cat "$out/plan.md" >> "$GITHUB_STEP_SUMMARY"
case $code in 0 | 2) ;; *) exit "$code" ;; esac
python3 "$ci/report.py" facts "$out/plan.json" > "$out/plan.env"
cat "$out/plan.env"
[ -z "${GITHUB_OUTPUT:-}" ] || cat "$out/plan.env" >> "$GITHUB_OUTPUT"

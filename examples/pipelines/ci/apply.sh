#!/bin/sh
# Applies what the job `plan` of this run has shown, DIGEST, to the stack in FOLDER and ENVIRONMENT: nothing else.
# ALLOW holds the consents of whoever approved the run. May be repeated with the same DIGEST.
set -eu
: "${DECLARATIVE_STATE:?says where the state is kept; without it an empty one would be taken}"
ci=$(dirname "$0")
if ! printf '%s' "${DIGEST:-}" | LC_ALL=C grep -Eqx '[0-9a-f]{64}'; then
    echo 'DIGEST is not the digest of a plan, which the job plan of this run hands on.' >&2
    exit 64
fi
. "$ci/consents.sh"
out=$PWD/declarative-out
mkdir -p "$out"
export XDG_STATE_HOME="$out" # what the state could not take is kept in $out/declarative/recovery

code=0
declarative -C "$FOLDER" --env "$ENVIRONMENT" apply --auto-approve --content-sha256 "$DIGEST" --lock-timeout 10m \
    --render "markdown=$out/apply.md" --render "html=$out/apply.html" --render "summary=$out/apply.json" \
    --render "junit=$out/junit.xml" "$@" || code=$?
[ ! -f "$out/apply.md" ] || [ -z "${GITHUB_STEP_SUMMARY:-}" ] || cat "$out/apply.md" >> "$GITHUB_STEP_SUMMARY"
exit "$code"

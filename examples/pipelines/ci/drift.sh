#!/bin/sh
# Compares the cloud with what is recorded for the stack in FOLDER and ENVIRONMENT; declarative-out/drift.env says whether it
# has drifted. Any other result than these two ends the job, and nothing is said about drift.
set -eu
: "${DECLARATIVE_STATE:?says where the state is kept; without it an empty one would be taken}"
out=$PWD/declarative-out
mkdir -p "$out"
code=0
declarative -C "$FOLDER" --env "$ENVIRONMENT" drift --detailed-exitcode --render "markdown=$out/drift.md" || code=$?
[ -z "${GITHUB_STEP_SUMMARY:-}" ] || cat "$out/drift.md" >> "$GITHUB_STEP_SUMMARY"
case $code in
0) drifted=false ;;
2) drifted=true ;;
*) exit "$code" ;;
esac
echo "drifted=$drifted" > "$out/drift.env"
[ -z "${GITHUB_OUTPUT:-}" ] || cat "$out/drift.env" >> "$GITHUB_OUTPUT"

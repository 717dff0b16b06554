#!/bin/sh
# Validates the stack in FOLDER for ENVIRONMENT, without a cloud, a state or a secret.
set -eu
out=$PWD/declarative-out
mkdir -p "$out"
set --
[ -z "${GITHUB_ACTIONS:-}" ] || set -- --render github=-
code=0
declarative -C "$FOLDER" --env "$ENVIRONMENT" validate --render "markdown=$out/validate.md" \
    --render "gitlab=$out/code-quality.json" "$@" || code=$?
[ -z "${GITHUB_STEP_SUMMARY:-}" ] || cat "$out/validate.md" >> "$GITHUB_STEP_SUMMARY"
exit "$code"

#!/bin/sh
# Usage: gitlab.sh MODE [BASE]. Prints the pipeline of the stacks that MODE is about, an include for each:
#   review BASE  those that differ from the commit BASE, and those that it has and this commit has not
#   apply BASE   those that differ; with ONLY_FOLDER and ONLY_ENVIRONMENT that one alone
#   drift        all
set -eu
mode=$1 base=${2:-}
work=$(mktemp -d)
trap 'git worktree remove --force "$work/base" 2> /dev/null || :; rm -rf "$work"' EXIT
tab=$(printf '\t')

include() { # MODE; reads lines of environment, stack and folder
    while IFS=$tab read -r environment stack folder; do
        echo '  - local: .gitlab/declarative-stack.yml'
        printf '    inputs: {mode: %s, folder: "%s", environment: "%s", stack: "%s", base: "%s"}\n' \
            "$1" "$folder" "$environment" "$stack" "$base"
    done
}

: > "$work/gone"
if [ "$mode" = drift ]; then
    declarative stacks > "$work/found"
elif [ -n "${ONLY_FOLDER:-}" ]; then
    declarative --env "$ONLY_ENVIRONMENT" stacks -- "$ONLY_FOLDER" > "$work/found"
elif git cat-file -e "$base^{commit}" 2> /dev/null; then
    git diff --name-only -z --no-renames "$base" HEAD > "$work/paths"
    declarative stacks --changed "$work/paths" > "$work/found"
    if [ "$mode" = review ]; then
        git worktree add --quiet --detach "$work/base" "$base"
        declarative stacks --gone-from "$work/base" > "$work/gone"
    fi
else
    declarative stacks > "$work/found"
fi
if [ ! -s "$work/found" ] && [ ! -s "$work/gone" ]; then
    printf 'nothing:\n  script: [echo "No stack is concerned."]\n'
    exit 0
fi
echo 'include:'
include "$mode" < "$work/found"
include gone < "$work/gone"

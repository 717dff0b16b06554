#!/bin/sh
# Usage: stacks.sh BASE. Prints two lines of JSON for the jobs that follow: `changed=`, the stacks that differ from the
# commit BASE, or all of them where that commit is not there; and `gone=`, those that BASE has and this commit has not.
set -eu
base=$1
work=$(mktemp -d)
trap 'git worktree remove --force "$work/base" 2> /dev/null || :; rm -rf "$work"' EXIT

if git cat-file -e "$base^{commit}" 2> /dev/null; then
    git diff --name-only -z --no-renames "$base" HEAD > "$work/paths"
    git worktree add --quiet --detach "$work/base" "$base"
    changed=$(declarative stacks --changed "$work/paths" --format json)
    gone=$(declarative stacks --gone-from "$work/base" --format json)
else # the first push of a branch, or one that was forced
    changed=$(declarative stacks --format json)
    gone='{"targets":[]}'
fi
printf 'changed=%s\ngone=%s\n' "$changed" "$gone"

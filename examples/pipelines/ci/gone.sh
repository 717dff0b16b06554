#!/bin/sh
# Usage: gone.sh BASE. Fails while something is recorded for the stack in FOLDER and ENVIRONMENT, which the commit BASE
# has and this one has not: nobody could manage or destroy it any more, and it would go on costing.
set -eu
: "${DECLARATIVE_STATE:?says where the state is kept; without it an empty one would be taken}"
base=$1
ci=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'git worktree remove --force "$work/base" 2> /dev/null || :; rm -rf "$work"' EXIT

git worktree add --quiet --detach "$work/base" "$base"
declarative -C "$work/base/$FOLDER" --env "$ENVIRONMENT" show --format json > "$work/state.json"
held=$(python3 "$ci/report.py" held "$work/state.json")
[ "$held" = 0 ] && exit 0
commit=$(git rev-parse "$base")
cat >&2 << END
This change removes the stack in $FOLDER for the environment $ENVIRONMENT, yet $held of its objects are recorded.
Destroy them first, from the commit before, or move their state to the name that the stack has now:
  git checkout $commit
  declarative -C '$FOLDER' --env $ENVIRONMENT destroy
END
exit 1

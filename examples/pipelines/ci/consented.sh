#!/bin/sh
# Ends the job when CONSENTS, the number of dangers in the plan that nobody has consented to, is not 0.
set -eu
[ "$CONSENTS" = 0 ] && exit 0
echo "$CONSENTS dangers of this plan need a consent. Read the plan, then run this pipeline by hand for the stack in" \
    "$FOLDER and the environment $ENVIRONMENT, and give the consents in ALLOW." >&2
exit 5

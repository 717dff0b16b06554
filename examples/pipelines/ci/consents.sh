# shellcheck shell=sh
# To be read by `. consents.sh`: turns ALLOW, the consents of whoever approves the run, into arguments of declarative.
# They are parted by spaces. What is not exactly CLASS or CLASS:ADDRESS ends the job before anything is read.
set -f # an address may hold [ and ], which the shell must not look for among file names
set --
for consent in ${ALLOW:-}; do
    if ! printf '%s' "$consent" | LC_ALL=C grep -Eqx \
        '[a-z]{1,32}(-[a-z]{1,32})?(:[A-Z][A-Za-z]{0,63}/[A-Za-z0-9][A-Za-z0-9_-]{0,62}(\[[A-Za-z0-9._-]{1,128}\])?)?'; then
        echo 'ALLOW holds something that is not CLASS or CLASS:ADDRESS, such as replace:ProtectionGroup/shop.' >&2
        exit 64
    fi
    set -- "$@" --allow "$consent"
done

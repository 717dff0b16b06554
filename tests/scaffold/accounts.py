"""Accounts for tests: a bank that owns the project, and a partner whose users may act by the bank's agency."""

from declarative.simulator import (
    AccessKey,
    Account,
    Accounts,
    Agency,
    ApplicationCredential,
    CloudProject,
    User,
    UserStatus,
)

BANK, PARTNER = Account("bank-id", "BANK"), Account("partner-id", "PARTNER")
PEOPLE = Accounts(
    accounts=(BANK, PARTNER),
    project="eu-de_shop",
    projects=(CloudProject("tests-id", "eu-de_tests", BANK.id), CloudProject("theirs-id", "eu-de", PARTNER.id)),
    users=(
        User("ada-id", "ada", BANK.id, "correct horse"),
        User("bob-id", "bob", BANK.id, "battery staple", passcodes=("123456", "654321")),
        User("eve-id", "eve", BANK.id, "pass", UserStatus.DISABLED),
        User("lou-id", "lou", BANK.id, "pass", UserStatus.LOCKED),
        User("con-id", "con", BANK.id, "pass", UserStatus.CONSOLE_ONLY),
        User("ada-there", "ada", PARTNER.id, "other"),
    ),
    access_keys=(
        AccessKey("AKADA", "SKADA", "ada-id"),
        AccessKey("AKTHERE", "SKTHERE", "ada-there"),
        AccessKey("AKEVE", "SKEVE", "eve-id"),
    ),
    application_credentials=(ApplicationCredential("ci-id", "ci", "s3cret", "ada-id"),),
    agencies=(Agency("dr-id", "dr", BANK.id, PARTNER.id),),
)

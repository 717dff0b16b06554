"""The refusals of IAM and of the gateway: code, status and words (docs/sdrs-api.md, "Refusals of IAM and the gateway").

The words of some are documented by the vendor, those of the others are in their manner; no client may go by them.
"""

from __future__ import annotations

from declarative.simulator.protocol.wire import Answer, Envelope, Refusal, enveloped

_WHO = "Incorrect IAM authentication information"

REFUSALS: dict[str, tuple[int, str]] = {
    "IAM.0001": (401, "The request you have made requires authentication."),
    "IAM.0002": (403, "You are not authorized to perform the requested action."),
    "IAM.0003": (403, "Policy doesn't allow the action to be performed."),
    "IAM.0004": (404, "Could not find what was asked for."),
    "IAM.0012": (429, "The throttling threshold has been reached."),
    "IAM.0061": (401, "The account is locked."),
    "IAM.0062": (401, "The username or password is wrong."),
    "IAM.0063": (401, "The access token is invalid."),
    "IAM.0064": (403, "No permission."),
    "IAM.0066": (401, "The token has expired."),
    "IAM.0067": (401, "The token is invalid."),
    "IAM.0080": (403, "The user of the access key is disabled."),
    "IAM.0081": (403, "The user has console access only, no programmatic access."),
    "IAM.0082": (403, "The user is disabled."),
    "IAM.0083": (403, "No permission to access the private region."),
    "IAM.1061": (400, "The verification code is wrong."),
    "IAM.1104": (400, "The access key is blocked."),
    "IAM.1105": (400, "The access key has expired."),
    "IAM.1106": (400, "The access key has no user."),
    "IAM.1107": (400, "The access key is not active."),
    "IAM.1108": (400, "The security token has expired."),
    "IAM.1109": (400, "Could not find the project."),
    "APIGW.0101": (404, "The API does not exist or has not been published in the environment."),
    "APIGW.0103": (404, "The backend does not exist."),
    "APIGW.0106": (413, "The request body is too large."),
    "APIGW.0201": (400, "Bad request."),
    "APIGW.0301": (401, f"{_WHO}: decrypt token fail"),
    "APIGW.0302": (403, "The IAM user is not authorized to access the API."),
    "APIGW.0303": (401, "Incorrect app authentication information: the date is too far off"),
    "APIGW.0305": (401, "Incorrect authentication information."),
    "APIGW.0306": (403, "API access denied."),
    "APIGW.0307": (401, "The token must be updated."),
    "APIGW.0308": (429, "The throttling threshold has been reached."),
    "APIGW.0310": (403, "The project is unavailable."),
    "APIGW.0401": (403, "Unknown client IP address."),
    "APIGW.0402": (403, "The IP address is not authorized to access the API."),
    "APIGW.0501": (405, "The app quota has been used up."),
    "APIGW.0502": (405, "The app has been frozen."),
    "APIGW.0613": (503, "The IAM service is unavailable."),
    "APIGW.0801": (403, "The region is unavailable."),
    "APIGW.0802": (403, "The IAM user is forbidden in the currently selected region."),
}

_TITLES = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}


def refused(code: str, words: str = "") -> Refusal:
    """Return the refusal of this code in envelope E4, with its usual words if no others are given.

    A dedicated gateway's code begins with `APIG.`. KeyError for a code that isn't in the table.
    """
    status, usual = REFUSALS[code.replace("APIG.", "APIGW.")]
    return Refusal(Answer.of(enveloped(Envelope.E4, code, words or usual), status=status))


def keystone_refusal(status: int, message: str) -> Refusal:
    """The envelope of IAM itself, whose code is a number."""
    document = {"error": {"code": status, "message": message, "title": _TITLES[status]}}
    return Refusal(Answer.of(document, status=status))


def iam_refusal(code: str, *, has_code: bool, words: str = "") -> Refusal:
    """A refusal of IAM, with its own code or in Keystone's manner, which knows 401, 403 and 404 for it."""
    if has_code:
        return refused(code, words)
    status, usual = REFUSALS[code]
    return keystone_refusal(status if status in (403, 404) else 401, words or usual)


def forbidden(action: str) -> Refusal:
    """The refusal that names the permission that is missing."""
    return refused("IAM.0003", f"Policy doesn't allow {action} to be performed.")


def gateway_unauthorized(why: str) -> Refusal:
    """APIGW.0301 with the words that tell its cases apart."""
    return refused("APIGW.0301", f"{_WHO}: {why}")

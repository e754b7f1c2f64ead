"""MSAL Python for the interop tests: one JSON scenario per line in, one JSON result per line out."""

import json
import sys

import msal


def application(scenario):
    """A stock client. Nothing is asked about the authority, because a private one is in no list of Microsoft's."""
    options = {"authority": scenario["authority"], "instance_discovery": False}
    if scenario.get("certificate"):
        certificate = {"private_key": scenario["key"], "public_certificate": scenario["certificate"]}
        return msal.ConfidentialClientApplication(scenario["client"], client_credential=certificate, **options)
    if scenario.get("secret"):
        return msal.ConfidentialClientApplication(scenario["client"], client_credential=scenario["secret"], **options)
    return msal.PublicClientApplication(scenario["client"], **options)


def sign_in(app, scenario):
    return app.acquire_token_by_username_password(scenario["username"], scenario["password"], scenario["scopes"])


def silent(app, scenario):
    return app.acquire_token_silent_with_error(scenario["scopes"], account=app.get_accounts()[0])


def renew(app, scenario):
    account = app.get_accounts()[0]
    return app.acquire_token_silent_with_error(scenario["scopes"], account=account, force_refresh=True)


def redeem(app, scenario):
    return app.acquire_token_by_refresh_token(scenario["refreshToken"], scenario["scopes"])


ACTIONS = {"signIn": sign_in, "silent": silent, "renew": renew, "redeem": redeem}


def refresh_token(app):
    """The newest one: MSAL keeps one per account and replaces it."""
    found = list(app.token_cache.search(msal.TokenCache.CredentialType.REFRESH_TOKEN))
    return found[0]["secret"] if found else None


def result(app, answer):
    if "access_token" not in answer:
        return {
            "outcome": "error",
            "error": answer.get("error"),
            "codes": answer.get("error_codes", []),
            "suberror": answer.get("suberror"),
            "verdict": answer.get("classification") or None,
        }
    accounts = app.get_accounts()
    return {
        "outcome": "token",
        "account": accounts[0]["home_account_id"],
        "username": accounts[0]["username"],
        "accessToken": answer["access_token"],
        "refreshToken": refresh_token(app),
    }


def play(apps, scenario):
    session = scenario["session"]
    try:
        if session not in apps:
            apps[session] = application(scenario)
        app = apps[session]
        return result(app, ACTIONS[scenario["do"]](app, scenario))
    except Exception as failure:  # What MSAL raises instead of returning has no common class.
        return {"outcome": "error", "error": type(failure).__name__, "codes": [], "text": str(failure)}


def main():
    apps = {}
    for line in sys.stdin:
        print(json.dumps(play(apps, json.loads(line))), flush=True)


main()

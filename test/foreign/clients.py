"""Gets one token the way Google's Python library does it, and prints it: clients.py WAY AUDIENCE [TOKEN CERTS_URL]."""

import os
import sys

import google.auth
from google.auth import compute_engine
from google.auth.transport.requests import Request
from google.oauth2 import credentials, id_token, service_account

SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
FILE = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
REQUEST = Request()


def refreshed(found):
    found.refresh(REQUEST)
    return found


def verify(audience, token, certs_url):
    return id_token.verify_token(token, REQUEST, audience, certs_url)["email"]


WAYS = {
    "key-id": lambda audience: refreshed(
        service_account.IDTokenCredentials.from_service_account_file(FILE, target_audience=audience)
    ).token,
    "fetch-id": lambda audience: id_token.fetch_id_token(REQUEST, audience),
    "default-access": lambda _: refreshed(google.auth.default(scopes=SCOPES)[0]).token,
    "user-id": lambda _: refreshed(credentials.Credentials.from_authorized_user_file(FILE)).id_token,
    "metadata-access": lambda _: refreshed(compute_engine.Credentials()).token,
    "metadata-id": lambda audience: refreshed(
        compute_engine.IDTokenCredentials(REQUEST, audience, use_metadata_identity_endpoint=True)
    ).token,
    "verify": verify,
}

print(WAYS[sys.argv[1]](*sys.argv[2:]))

from pathlib import Path
import urllib.request

SAMPLE

credential = MountedCredential()

for path in ("/me", "/rotate", "/me"):
    token = credential.get_token("https://graph.microsoft.com/.default")
    if type(token.expires_on) is not int:
        raise SystemExit(f"expires_on is {token.expires_on!r}, which is no int")
    header = {"Authorization": f"Bearer {token.token}"}
    urllib.request.urlopen(urllib.request.Request("https://graph.microsoft.com/v1.0" + path, headers=header), timeout=30)

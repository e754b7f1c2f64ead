SAMPLE

for path in ("/rotate", "/me"):
    session.get("https://graph.microsoft.com/v1.0" + path, timeout=30).raise_for_status()

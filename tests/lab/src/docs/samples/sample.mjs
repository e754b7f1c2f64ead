SAMPLE

for (const path of ["/me", "/rotate", "/me"]) {
  const answer = await call("https://graph.microsoft.com/v1.0" + path, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  await answer.json();
}

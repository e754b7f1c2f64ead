// MSAL Node for the interop tests: one JSON scenario per line in, one JSON result per line out.

import { X509Certificate } from "node:crypto";
import { createInterface } from "node:readline";

import { ConfidentialClientApplication, PublicClientApplication } from "@azure/msal-node";

/** A stock client. The authority is declared known, because a private one is in no list of Microsoft's. */
function application(scenario) {
  const auth = {
    clientId: scenario.client,
    authority: scenario.authority,
    knownAuthorities: [new URL(scenario.authority).host],
  };
  if (scenario.certificate) {
    return new ConfidentialClientApplication({ auth: { ...auth, clientCertificate: certificate(scenario) } });
  }
  if (scenario.secret) {
    return new ConfidentialClientApplication({ auth: { ...auth, clientSecret: scenario.secret } });
  }
  return new PublicClientApplication({ auth });
}

function certificate(scenario) {
  const thumbprint = new X509Certificate(scenario.certificate).fingerprint256.replaceAll(":", "");
  return { thumbprintSha256: thumbprint, privateKey: scenario.key };
}

async function account(app) {
  const [first] = await app.getTokenCache().getAllAccounts();
  return first;
}

const actions = {
  signIn: (app, { username, password, scopes }) =>
    app.acquireTokenByUsernamePassword({ username, password, scopes }),
  silent: async (app, { scopes }) => app.acquireTokenSilent({ account: await account(app), scopes }),
  renew: async (app, { scopes }) =>
    app.acquireTokenSilent({ account: await account(app), scopes, forceRefresh: true }),
  // Its answer is cached only on demand, because the cache does not know the account yet.
  redeem: (app, { refreshToken, scopes }) =>
    app.acquireTokenByRefreshToken({ refreshToken, scopes, forceCache: true }),
};

/** The newest one: MSAL keeps one per account and replaces it. */
function refreshToken(app) {
  const [first] = Object.values(JSON.parse(app.getTokenCache().serialize()).RefreshToken);
  return first?.secret ?? null;
}

function token(app, answer) {
  return {
    outcome: "token",
    account: answer.account.homeAccountId,
    username: answer.account.username,
    accessToken: answer.accessToken,
    refreshToken: refreshToken(app),
  };
}

/** MSAL Node hands on the first of the service's codes. */
function refused(failure) {
  return {
    outcome: "error",
    error: failure.errorCode ?? failure.name,
    codes: failure.errorNo ? [Number(failure.errorNo)] : [],
    suberror: failure.subError || null,
    verdict: failure.name,
    text: failure.message,
  };
}

const sessions = new Map();

async function play(scenario) {
  try {
    const app = sessions.get(scenario.session) ?? application(scenario);
    sessions.set(scenario.session, app);
    return token(app, await actions[scenario.do](app, scenario));
  } catch (failure) {
    return refused(failure);
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await play(JSON.parse(line)))}\n`);
}

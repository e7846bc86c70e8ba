// A person signs in through npm openid-client: discovery, (PAR,) PKCE, (DPoP,) code, userinfo, refresh,
// introspection, revocation, logout. One JSON line a step on standard output; the browser's way back on standard input.
import { createInterface } from 'node:readline/promises';
import { importJWK } from 'jose';
import * as client from 'openid-client';

const wish = JSON.parse(process.argv[2]);
const say = (step, facts = {}) => console.log(JSON.stringify({ step, ...facts }));
const input = createInterface({ input: process.stdin });

async function authentication() {
  if (wish.private_jwk) {
    return client.PrivateKeyJwt({ key: await importJWK(wish.private_jwk, wish.private_jwk.alg), kid: wish.private_jwk.kid });
  }
  return wish.client_secret ? client.ClientSecretBasic(wish.client_secret) : client.None();
}

const metadata = wish.id_token_signed_response_alg
  ? { id_token_signed_response_alg: wish.id_token_signed_response_alg } : undefined;
const config = await client.discovery(new URL(wish.issuer), wish.client_id, metadata, await authentication());
client.enableNonRepudiationChecks(config);
const keys = wish.dpop ? await client.randomDPoPKeyPair('ES256') : undefined;
const options = keys ? { DPoP: client.getDPoPHandle(config, keys) } : undefined;

const verifier = client.randomPKCECodeVerifier();
const [state, nonce] = [client.randomState(), client.randomNonce()];
const parameters = {
  redirect_uri: wish.redirect_uri, scope: wish.scope, state, nonce, code_challenge_method: 'S256',
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
};
const url = wish.par
  ? await client.buildAuthorizationUrlWithPAR(config, parameters, options)
  : client.buildAuthorizationUrl(config, parameters);
say('authorize', { url: url.href });

const back = new URL((await input[Symbol.asyncIterator]().next()).value);
const tokens = await client.authorizationCodeGrant(
  config, back, { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true }, undefined, options);
say('tokens', { token_type: tokens.token_type, claims: tokens.claims(), has_refresh: Boolean(tokens.refresh_token) });

const person = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub, options);
say('userinfo', { person });

let current = tokens;
if (tokens.refresh_token) {
  current = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, options);
  say('refresh', { rotated: current.refresh_token !== undefined && current.refresh_token !== tokens.refresh_token });
}
if (wish.client_secret || wish.private_jwk) {
  say('introspection', { before: await client.tokenIntrospection(config, current.access_token) });
}
await client.tokenRevocation(config, current.access_token);
if (wish.client_secret || wish.private_jwk) {
  say('revocation', { after: await client.tokenIntrospection(config, current.access_token) });
}
say('logout', {
  url: client.buildEndSessionUrl(config, {
    id_token_hint: tokens.id_token, post_logout_redirect_uri: wish.post_logout_redirect_uri, state,
  }).href,
});
input.close();

/** Where the access token is kept, and nothing else knows: cookies can take its place here. */

const KEY = "milepost.tokens";

export function keepTokens({ access_token, expires_at }) {
  sessionStorage.setItem(KEY, JSON.stringify({ access_token, expires_at }));
}

export function forgetTokens() {
  sessionStorage.removeItem(KEY);
}

export function isLoggedIn() {
  const tokens = storedTokens();
  return tokens !== null && Date.parse(tokens.expires_at) > Date.now();
}

/** Headers that prove who speaks; none when nobody is logged in. */
export function credentials() {
  const tokens = storedTokens();
  return tokens ? { Authorization: `Bearer ${tokens.access_token}` } : {};
}

function storedTokens() {
  return JSON.parse(sessionStorage.getItem(KEY) ?? "null");
}

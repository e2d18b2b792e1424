// Publishes one event over the HTTP API, with nothing but Node itself (18.3 or newer): the signing is written out.
//
//     node examples/publish.mjs my-channel my-event '{"hello": "world"}'
//     node examples/publish.mjs --url https://ws.example.com --app 1001:key:secret my-channel my-event 42
//
// It is meant to be read, and to be copied where no SDK is at hand.

import { createHash, createHmac } from "node:crypto";
import { parseArgs } from "node:util";

// The query string that proves who sends a request.
//   path: as it is requested, without host and query
//   body: exactly the text that is sent; empty for a GET
//   timestamp: seconds since 1970; the server takes 600 seconds more or less than its own
function signedQuery(key, secret, method, path, body, timestamp) {
  // 1. The parameters. Any others, such as info=user_count, are signed with them.
  const parameters = { auth_key: key, auth_timestamp: String(timestamp), auth_version: "1.0" };
  if (body) {
    // The signature covers the body by its MD5.
    parameters.body_md5 = createHash("md5").update(body).digest("hex");
  }

  // 2. The text to sign: method, path and parameters, one a line. The parameters stand in the order of
  //    their names, which are in lower case; the values are not percent-encoded here.
  const query = Object.keys(parameters).sort().map((name) => `${name}=${parameters[name]}`).join("&");
  const text = [method, path, query].join("\n");

  // 3. The signature: HMAC-SHA256 of that text with the secret, in lower-case hex.
  parameters.auth_signature = createHmac("sha256", secret).update(text).digest("hex");

  // 4. In the URL the values are percent-encoded, as always.
  return new URLSearchParams(parameters).toString();
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    url: { type: "string", default: "http://127.0.0.1:6001" },
    app: { type: "string", default: "app-id:app-key:app-secret" },
  },
});
if (positionals.length !== 3) {
  console.error("usage: node publish.mjs [--url URL] [--app ID:KEY:SECRET] CHANNEL EVENT DATA");
  process.exit(2);
}

const [channel, name, data] = positionals;
const [appId, key, ...rest] = values.app.split(":");
const secret = rest.join(":");

// `data` is a string, usually JSON; clients get exactly this string.
const body = JSON.stringify({ name, channels: [channel], data });
const target = new URL(`${values.url.replace(/\/$/, "")}/apps/${appId}/events`);
target.search = signedQuery(key, secret, "POST", target.pathname, body, Math.floor(Date.now() / 1000));

const response = await fetch(target, { method: "POST", body, headers: { "Content-Type": "application/json" } });
// An error's body says what was wrong, in words.
console.log(response.status, await response.text());
process.exitCode = response.ok ? 0 : 1;

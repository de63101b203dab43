// A provider of OpenID Connect as it is sold: oidc-provider (certified), with its forms for development.
// Arguments: port, redirect address of the one client, file of people {sub: claims} (read at each login).
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [port, redirect, people, modules] = process.argv.slice(2);
const { Provider } = await import(pathToFileURL(createRequire(`${modules}/`).resolve("oidc-provider")));
const device = "urn:ietf:params:oauth:grant-type:device_code";
const common = { redirect_uris: [redirect], grant_types: ["authorization_code", device], response_types: ["code"] };

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    { ...common, client_id: "dataos", client_secret: "a client's: own % secret" },
    { ...common, client_id: "public", token_endpoint_auth_method: "none" },
  ],
  features: { deviceFlow: { enabled: true } },
  claims: { openid: ["sub"], profile: ["preferred_username", "name"], email: ["email"], groups: ["groups"] },
  pkce: { required: () => true },
  cookies: { keys: ["only for tests"] },
  findAccount: (_, sub) => ({
    accountId: sub,
    claims: () => ({ sub, ...JSON.parse(readFileSync(people, "utf8"))[sub] }),
  }),
});
provider.listen(Number(port), "127.0.0.1");

import type { Problem } from "@/api/failure";

const TEXTS: Record<string, [string, string]> = {
  "login.flow": ["the login at the provider was not finished", "begin again"],
  "login.unknown_person": ["the provider knows you, this installation does not", "an operator can let you in"],
  "login.provider": ["the login provider does not answer as it should", "try again in a moment"],
  "login.untrusted": ["the login provider's answer could not be trusted", "an operator finds the reason in the log"],
  "auth.disabled": ["this user is disabled", "an operator can enable it"],
};

/** What a code means with which the login at a provider came back: the address carries no more than that. */
export function providerProblem(code: string): Problem {
  const known = TEXTS[code];
  const [message, hint] = known ?? ["the login at the provider failed", "begin again"];
  return { code: known === undefined ? "login.flow" : code, message, hint };
}

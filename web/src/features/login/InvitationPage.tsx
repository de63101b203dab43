import { Button, PasswordInput, Stack } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useRouter, useSearch } from "@tanstack/react-router";
import { useEffect, useState, type SyntheticEvent, type ReactElement } from "react";

import { answer, api } from "@/api/client";
import { problemsOf } from "@/api/failure";
import { meQuery } from "@/app/me";
import { ProblemList } from "@/components/ProblemList";
import { safeNext } from "@/lib/paths";
import { signedIn } from "@/lib/session";
import { LoginCard } from "./LoginCard";

const LEAST = 10;

/** From a one-time link: choose a password, and be signed in by that. The link's word stands behind the #. */
export default function InvitationPage(): ReactElement {
  const { next } = useSearch({ from: "/login/invitation" });
  const token = useToken();
  const [password, setPassword] = useState("");
  const [again, setAgain] = useState("");
  const router = useRouter();
  const queries = useQueryClient();
  const accept = useMutation({
    mutationFn: () => answer(api.POST("/api/v1/login/invitation", { body: { token, password, cookie: true } })),
    onSuccess: () => {
      queries.removeQueries({ queryKey: meQuery.queryKey });
      signedIn();
      router.history.push(safeNext(next));
    },
  });
  if (token === "") {
    const text = "This page needs the whole link, with what stands behind the #. A link works once: for a new one ask ";
    return <LoginCard title="This link is not whole" text={`${text}an operator (dataos login --link).`} />;
  }
  const differs = again !== "" && again !== password;
  const short = password !== "" && password.length < LEAST;
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    accept.mutate();
  };
  const toggle = { "aria-label": "Show or hide the password", tabIndex: 0 };
  return (
    <LoginCard title="Choose your password" text="You sign in with it from now on. The link you followed works once.">
      <form onSubmit={submit}>
        <Stack>
          <PasswordInput
            label="New password"
            description={`At least ${LEAST} characters; a few words are easy to remember`}
            autoComplete="new-password"
            required
            error={short ? `${LEAST - password.length} characters more` : undefined}
            visibilityToggleButtonProps={toggle}
            value={password}
            onChange={(event) => setPassword(event.currentTarget.value)}
          />
          <PasswordInput
            label="Once more"
            autoComplete="new-password"
            required
            error={differs ? "This is not the same" : undefined}
            visibilityToggleButtonProps={toggle}
            value={again}
            onChange={(event) => setAgain(event.currentTarget.value)}
          />
          {accept.isError && (
            <div role="alert">
              <ProblemList problems={problemsOf(accept.error)} />
            </div>
          )}
          <Button type="submit" loading={accept.isPending} disabled={password.length < LEAST || again !== password}>
            Set password and sign in
          </Button>
        </Stack>
      </form>
    </LoginCard>
  );
}

/** What stands behind the #, taken out of the address; also that of another link that is followed on this page. */
function useToken(): string {
  const [token, setToken] = useState(() => location.hash.slice(1));
  useEffect(() => {
    const take = (): void => {
      if (location.hash !== "") setToken(location.hash.slice(1));
      history.replaceState(history.state, "", location.pathname + location.search);
    };
    take();
    window.addEventListener("hashchange", take);
    return () => window.removeEventListener("hashchange", take);
  }, []);
  return token;
}

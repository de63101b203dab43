import { Button, Divider, PasswordInput, Stack, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useRouter, useSearch } from "@tanstack/react-router";
import { useEffect, useState, type SyntheticEvent, type ReactElement } from "react";

import { answer, api } from "@/api/client";
import { problemsOf } from "@/api/failure";
import { meQuery } from "@/app/me";
import { ErrorState } from "@/components/ErrorState";
import { ProblemList } from "@/components/ProblemList";
import { Skeletons } from "@/components/Skeletons";
import { safeNext } from "@/lib/paths";
import { onSession, signedIn } from "@/lib/session";
import { LoginCard } from "./LoginCard";
import { providerProblem } from "./providerProblem";

/** Signing in by a password or at the login provider, whichever this installation has; then back to what was asked. */
export default function SignInPage(): ReactElement {
  const { next, problem } = useSearch({ from: "/login" });
  const ways = useQuery({ queryKey: ["login"], queryFn: () => answer(api.GET("/api/v1/login")) });
  const enter = useEnter(safeNext(next));
  useEffect(() => onSession((news) => (news === "signed-in" ? enter() : undefined)), [enter]); // another tab did it
  return (
    <LoginCard title="Sign in to DataOS">
      {problem !== undefined && <ProblemList problems={[providerProblem(problem)]} />}
      {ways.isPending && <Skeletons rows={3} />}
      {ways.isError && (
        <ErrorState error={ways.error} title="Nobody can sign in now" onRetry={() => void ways.refetch()} />
      )}
      {ways.data?.oidc === true && (
        <Button component="a" href={`/api/v1/login/oidc?next=${encodeURIComponent(safeNext(next))}`}>
          Continue with the login provider
        </Button>
      )}
      {ways.data?.oidc === true && ways.data.password && <Divider label="or" />}
      {ways.data?.password === true && <PasswordForm />}
    </LoginCard>
  );
}

function PasswordForm(): ReactElement {
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const login = useMutation({
    mutationFn: () => answer(api.POST("/api/v1/login", { body: { user: user.trim(), password, cookie: true } })),
    onSuccess: signedIn,
  });
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    login.mutate();
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        <TextInput
          label="User"
          name="username"
          autoComplete="username"
          autoCapitalize="none"
          required
          data-autofocus
          value={user}
          onChange={(event) => setUser(event.currentTarget.value)}
        />
        <PasswordInput
          label="Password"
          name="password"
          autoComplete="current-password"
          required
          visibilityToggleButtonProps={{ "aria-label": "Show or hide the password", tabIndex: 0 }}
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
        />
        {login.isError && (
          <div role="alert">
            <ProblemList problems={problemsOf(login.error)} />
          </div>
        )}
        <Button type="submit" loading={login.isPending} disabled={user.trim() === "" || password === ""}>
          Sign in
        </Button>
      </Stack>
    </form>
  );
}

/** Go to a path of the app as who has just signed in. */
function useEnter(next: string): () => void {
  const router = useRouter();
  const queries = useQueryClient();
  const [enter] = useState(() => () => {
    queries.removeQueries({ queryKey: meQuery.queryKey });
    router.history.push(next);
  });
  return enter;
}

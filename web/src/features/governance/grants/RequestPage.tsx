import { useQuery } from "@tanstack/react-query";
import { useSearch } from "@tanstack/react-router";
import type { ReactElement } from "react";

import { useMe } from "@/app/me";
import { Link } from "@/components/Link";
import { PageHeader } from "@/components/PageHeader";
import { Skeletons } from "@/components/Skeletons";
import { providerFrom, caseFrom } from "../shared/artifacts";
import { artifactsQuery } from "../shared/queries";
import { tagOfUser } from "../shared/subjects";
import { RequestForm } from "./RequestForm";

/** Ask for a use case, for oneself or for others. */
export default function RequestPage(): ReactElement {
  const me = useMe();
  const { useCase, subject } = useSearch({ from: "/shell/governance/grants/new" });
  const cases = useQuery(artifactsQuery("use-cases"));
  const providers = useQuery(artifactsQuery("providers"));
  // who may not list them can ask all the same: by the id that a refusal named
  const settled = !cases.isPending && !providers.isPending;
  return (
    <>
      <PageHeader
        title="Request a grant"
        crumbs={[
          <Link key="list" to="/governance/grants">
            Grants
          </Link>,
        ]}
        description="A refusal names the use case that is missing. Somebody who governs decides about the request."
      />
      {settled ? (
        <RequestForm
          useCases={(cases.data ?? []).map(caseFrom)}
          atoms={(providers.data ?? []).map(providerFrom).flatMap((provider) => provider.atoms)}
          initial={{ useCase: useCase ?? "", subjects: [subject ?? tagOfUser(me.user.id)] }}
        />
      ) : (
        <Skeletons />
      )}
    </>
  );
}

import { MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import type { ReactElement } from "react";

import { theme } from "@/theme/theme";
import { makeQueryClient } from "./queryClient";
import { makeRouter } from "./router";

const queries = makeQueryClient();
const router = makeRouter(queries);

/** `nonce`: what style elements must carry to be allowed. */
export function App({ nonce }: { nonce: string }): ReactElement {
  return (
    <MantineProvider theme={theme} defaultColorScheme="auto" getStyleNonce={() => nonce}>
      <Notifications position="bottom-right" limit={4} />
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </MantineProvider>
  );
}

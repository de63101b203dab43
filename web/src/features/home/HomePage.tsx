import { SimpleGrid, Stack, Title } from "@mantine/core";
import type { ReactElement } from "react";

import { useMe } from "@/app/me";
import { PageHeader } from "@/components/PageHeader";
import { MyProducts } from "./MyProducts";
import { MyThings } from "./MyThings";
import { Notices } from "./Notices";
import { Tiles } from "./Tiles";

/** Where one starts: what one can open, what one made, what needs a look. */
export default function HomePage(): ReactElement {
  const me = useMe();
  return (
    <>
      <PageHeader
        title={`Welcome, ${me.user.name}`}
        description="What you can open, what you work on, what needs a look."
      />
      <Stack gap="xl">
        <section aria-labelledby="home-open">
          <Title order={2} id="home-open" mb="sm">
            Open
          </Title>
          <Tiles />
        </section>
        <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="xl">
          <section aria-labelledby="home-favorites">
            <Title order={2} id="home-favorites" mb="sm">
              Favourite products
            </Title>
            <MyProducts only="favorite" />
          </section>
          <section aria-labelledby="home-opened">
            <Title order={2} id="home-opened" mb="sm">
              Products you opened
            </Title>
            <MyProducts only="recent" />
          </section>
          <section aria-labelledby="home-notices">
            <Title order={2} id="home-notices" mb="sm">
              Needs a look
            </Title>
            <Notices />
          </section>
          <section aria-labelledby="home-mine">
            <Title order={2} id="home-mine" mb="sm">
              Your recent Resources
            </Title>
            <MyThings />
          </section>
        </SimpleGrid>
      </Stack>
    </>
  );
}

import { Text } from "@mantine/core";
import type { ReactElement } from "react";

import { Link } from "@/components/Link";
import type { Box, Target } from "./canvas";
import classes from "./CanvasBox.module.css";

/** A box of the picture. What it leads to is a link of its own, for the keyboard too. */
export function CanvasBox({ box, product }: { box: Box; product: string }): ReactElement {
  return (
    <div className={classes.box}>
      <Text size="xs" c="dimmed">
        {box.role}
      </Text>
      <Title box={box} product={product} target={box.target} />
    </div>
  );
}

function Title({ box, product, target }: { box: Box; product: string; target: Target }): ReactElement {
  const shared = { className: classes.title, title: box.title, fw: 550, children: box.title };
  switch (target.to) {
    case "here":
      return <Text {...shared} />;
    case "tab": {
      const { tab, data } = target;
      return <Link to="/products/$name" params={{ name: product }} search={{ tab, data }} {...shared} />;
    }
    case "product":
      return <Link to="/products/$name" params={{ name: target.name }} {...shared} />;
    case "resource": {
      const { type, name, workspace } = target;
      return <Link to="/operations/resources/$type/$name" params={{ type, name }} search={{ workspace }} {...shared} />;
    }
  }
}

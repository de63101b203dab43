import { Button, type ButtonProps } from "@mantine/core";
import { createLink } from "@tanstack/react-router";
import { type AnchorHTMLAttributes, forwardRef } from "react";

type Props = ButtonProps & Omit<AnchorHTMLAttributes<HTMLAnchorElement>, keyof ButtonProps>;

const Buttoned = forwardRef<HTMLAnchorElement, Props>(function Buttoned(props, ref) {
  return <Button ref={ref} component="a" {...props} />;
});

/** A link to a route of the app that looks like a button. */
export const LinkButton = createLink(Buttoned);

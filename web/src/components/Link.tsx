import { Anchor, type AnchorProps } from "@mantine/core";
import { createLink } from "@tanstack/react-router";
import { type AnchorHTMLAttributes, forwardRef } from "react";

type Props = AnchorProps & Omit<AnchorHTMLAttributes<HTMLAnchorElement>, keyof AnchorProps>;

const Anchored = forwardRef<HTMLAnchorElement, Props>(function Anchored(props, ref) {
  return <Anchor ref={ref} {...props} />;
});

/** A link to a route of the app, typed; it looks as links do. */
export const Link = createLink(Anchored);

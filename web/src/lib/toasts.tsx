import { notifications } from "@mantine/notifications";
import { IconAlertCircle, IconCheck } from "@tabler/icons-react";

import { problemsOf } from "@/api/failure";

const closeButtonProps = { "aria-label": "Close" };

/** Something was done. */
export function toast(message: string): void {
  const icon = <IconCheck size={16} aria-hidden />;
  notifications.show({ message, color: "teal.8", icon, withBorder: true, closeButtonProps });
}

/** Something failed that has no place on the page. Stays until it is closed. */
export function toastProblems(error: unknown, title: string): void {
  const message = problemsOf(error)
    .map((p) => (p.hint ? `${p.message}: ${p.hint}` : p.message))
    .join("; ");
  const icon = <IconAlertCircle size={16} aria-hidden />;
  notifications.show({ title, message, color: "red.8", icon, autoClose: false, withBorder: true, closeButtonProps });
}

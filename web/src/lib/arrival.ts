/** Whether a change of page is under way whose heading shall get the focus, so that it is read out. */
let under = false;

/** A change to another page began. */
export const depart = (): void => {
  under = true;
};

/** True once after each: for the heading that is there now. */
export function arrive(): boolean {
  const arrived = under;
  under = false;
  return arrived;
}

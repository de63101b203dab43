/** A column to choose: its name, and whether one sees it masked. */
export interface Option {
  value: string;
  label: string;
  type: string;
}

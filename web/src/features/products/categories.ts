/** What the categories of checks are about. */
export const CATEGORY_WORDS: Readonly<Record<string, string>> = {
  all: "Newest result of each check on the datasets of this product, whoever made it.",
  Accuracy: "Are values as they are in the world: within bounds, adding up?",
  Completeness: "Is nothing missing that should be there?",
  Freshness: "Did data come when it should?",
  Schema: "Are columns there, with their names and types?",
  Uniqueness: "Does what must be there once stand there once?",
  Validity: "Do values have the form that they must have?",
};

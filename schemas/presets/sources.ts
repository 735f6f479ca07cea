/** Where a value of a preset comes from: the paper, with the place and what it says there, or an assumption and why. */
export type FieldSource =
  { from: 'paper'; where: string; says: string } | { from: 'assumed'; reason: string };

/** A value together with its source. */
export interface Sourced<T> {
  readonly value: T;
  readonly source: FieldSource;
}

/** A config in which every leaf, an array being one, is `Sourced`: a value without a source does not type-check. */
export type WithSources<T> = T extends readonly unknown[] | string | number | boolean | null
  ? Sourced<T>
  : { [K in keyof T]: WithSources<T[K]> };

/** A value that the paper states. */
export const paper = <const T>(value: T, where: string, says: string): Sourced<T> => ({
  value,
  source: { from: 'paper', where, says },
});

/** A value that the paper leaves open. */
export const assumed = <const T>(value: T, reason: string): Sourced<T> => ({
  value,
  source: { from: 'assumed', reason },
});

const isSourced = (node: object): node is Sourced<unknown> => 'source' in node && 'value' in node;

/** The values alone. */
export const valuesOf = <T>(node: WithSources<T>): T => {
  const strip = (part: object): unknown =>
    isSourced(part)
      ? part.value
      : Object.fromEntries(Object.entries(part).map(([key, child]) => [key, strip(child as object)]));
  return strip(node as object) as T;
};

/** The sources alone, by dotted path. */
export const sourcesOf = (node: object): Record<string, FieldSource> => {
  const found: Record<string, FieldSource> = {};
  const visit = (part: object, path: string): void => {
    if (isSourced(part)) found[path] = part.source;
    else
      for (const [key, child] of Object.entries(part))
        visit(child as object, path === '' ? key : `${path}.${key}`);
  };
  visit(node, '');
  return found;
};

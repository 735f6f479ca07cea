import type { z } from 'zod';
import type { ConfigProblem } from './config-error.ts';
import { nearest } from './nearest.ts';
import { keysOf, leavesOf, schemaAt, tagsOf } from './schema-walk.ts';

/** Where the value at `path` was written: there, below it, or else in the place that wrote its neighbours. */
export const originOf = (origins: ReadonlyMap<string, string>, path: string): string | undefined => {
  const exact = origins.get(path);
  if (exact !== undefined) return exact;
  let found: string | undefined;
  for (const [known, from] of origins) if (known.startsWith(`${path}.`)) found = from;
  if (found !== undefined || !path.includes('.')) return found;
  return originOf(origins, path.slice(0, path.lastIndexOf('.')));
};

const valueAt = (tree: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>(
    (part, key) =>
      typeof part === 'object' && part !== null ? (part as Record<PropertyKey, unknown>)[key] : undefined,
    tree,
  );

const list = (values: readonly unknown[]): string => values.map(String).join(', ');
const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);

/** Turns zod's issues with a merged tree into problems that name the place, the key and the nearest right one. */
export const problemsOf = (
  error: z.ZodError,
  schema: z.ZodType,
  tree: unknown,
  origins: ReadonlyMap<string, string>,
): ConfigProblem[] => {
  const known = leavesOf(tree).map(([path]) => path);
  const problem = (path: readonly PropertyKey[], message: string, near?: string): ConfigProblem => {
    const dotted = path.map(String).join('.');
    const from = originOf(origins, dotted) ?? 'configuration';
    return near === undefined
      ? { from, path: dotted, message }
      : { from, path: dotted, message, nearest: near };
  };
  const unknownKey = (parent: readonly PropertyKey[], key: string): ConfigProblem => {
    const above = parent.map(String);
    const at = schemaAt(schema, above, tree);
    const sibling = nearest(key, at === undefined ? [] : keysOf(at, valueAt(tree, above)));
    const dotted = [...above, key].join('.');
    const others = known.filter((path) => path !== dotted && !path.startsWith(`${dotted}.`));
    const namesakes = others.filter((path) => path.endsWith(`.${key}`));
    const near =
      sibling === undefined ? (namesakes[0] ?? nearest(dotted, others)) : [...above, sibling].join('.');
    return problem([...above, key], 'is not a known key', near);
  };
  return error.issues.flatMap((issue): ConfigProblem[] => {
    const value = valueAt(tree, issue.path);
    const oneOf = (values: readonly unknown[]): ConfigProblem =>
      problem(issue.path, `must be one of ${list(values)}`, nearest(String(value), values.map(String)));
    if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(issue.path, key));
    if (value === undefined && issue.code !== 'custom') return [problem(issue.path, 'is missing')];
    if (issue.code === 'invalid_value') return [oneOf(issue.values)];
    if (issue.code === 'invalid_union') {
      const union = schemaAt(schema, issue.path.slice(0, -1).map(String), tree);
      const tags = union === undefined ? [] : tagsOf(union);
      return [tags.length === 0 ? problem(issue.path, lowerFirst(issue.message)) : oneOf(tags)];
    }
    return [
      problem(issue.path, lowerFirst(issue.message.replace(/^Invalid input: |^Too (small|big): /, ''))),
    ];
  });
};

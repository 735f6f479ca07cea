import type { Change } from '../schemas/verdict.ts';
import { canonicalBytes } from './canonical.ts';

/** The fields in which two JSON values differ, by path, in order; arrays are compared as wholes. */
export function changesBetween(path: string, before: unknown, after: unknown): Change[] {
  if (isRecord(before) && isRecord(after)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
    return names.flatMap((name) =>
      changesBetween(path === '' ? name : `${path}.${name}`, before[name], after[name]),
    );
  }
  if (before === undefined && after === undefined) return [];
  if (before !== undefined && after !== undefined && canonicalBytes(before).equals(canonicalBytes(after)))
    return [];
  return [
    {
      path,
      ...(before !== undefined && { before: before as NonNullable<Change['before']> }),
      ...(after !== undefined && { after: after as NonNullable<Change['after']> }),
    },
  ];
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

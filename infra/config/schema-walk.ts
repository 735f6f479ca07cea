import type { z } from 'zod';

/** What of zod's definition of a schema is read here. */
interface Definition {
  type: string;
  innerType?: z.ZodType;
  in?: z.ZodType;
  shape?: Record<string, z.ZodType>;
  valueType?: z.ZodType;
  element?: z.ZodType;
  options?: z.ZodType[];
  discriminator?: string;
}

const definitionOf = (schema: z.ZodType): Definition => schema._zod.def as unknown as Definition;

/** The schema inside `optional`, `default`, `nullable`, `readonly` and pipes. */
const unwrapped = (schema: z.ZodType): z.ZodType => {
  const { innerType, in: input } = definitionOf(schema);
  const inner = innerType ?? input;
  return inner === undefined ? schema : unwrapped(inner);
};

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Name of the field that says which option of a union an object is (`kind`, `format`); undefined where there is none. */
export const discriminatorOf = (schema: z.ZodType | undefined): string | undefined =>
  schema === undefined ? undefined : definitionOf(unwrapped(schema)).discriminator;

/** Fields of an object schema; of a union, those of the option that `value` is, else of all options. */
const fieldsOf = (schema: z.ZodType, value: unknown): Record<string, z.ZodType> => {
  const { type, shape, options, discriminator } = definitionOf(unwrapped(schema));
  if (type === 'object') return shape ?? {};
  if (type !== 'union') return {};
  const all = (options ?? []).map((option) => fieldsOf(option, value));
  const tag = discriminator === undefined || !isObject(value) ? undefined : value[discriminator];
  const chosen = all.filter(
    (fields) => discriminator !== undefined && fields[discriminator]?.safeParse(tag).success === true,
  );
  return Object.assign({}, ...(chosen.length === 1 ? chosen : all)) as Record<string, z.ZodType>;
};

/** Keys that the object at a schema may have. */
export const keysOf = (schema: z.ZodType, value: unknown): string[] => Object.keys(fieldsOf(schema, value));

/** Schema of one key of an object or element of an array; undefined where the key is unknown. */
export const childOf = (schema: z.ZodType, key: string, value: unknown): z.ZodType | undefined => {
  const { type, valueType, element } = definitionOf(unwrapped(schema));
  if (type === 'record') return valueType;
  if (type === 'array') return /^\d+$/.test(key) ? element : undefined;
  const fields = fieldsOf(schema, value);
  return Object.hasOwn(fields, key) ? fields[key] : undefined;
};

/** Schema at a path; `value` tells the options of unions apart. */
export const schemaAt = (
  schema: z.ZodType,
  path: readonly string[],
  value: unknown,
): z.ZodType | undefined => {
  let [at, part]: [z.ZodType | undefined, unknown] = [schema, value];
  for (const key of path) {
    if (at === undefined) return undefined;
    at = childOf(at, key, part);
    part = typeof part === 'object' && part !== null ? (part as Record<string, unknown>)[key] : undefined;
  }
  return at;
};

/** Dotted paths of all leaves of a value; an array is a leaf, and so is an empty object. */
export const leavesOf = (value: unknown, path = ''): [string, unknown][] =>
  isObject(value) && Object.keys(value).length > 0
    ? Object.entries(value).flatMap(([key, child]) => leavesOf(child, path === '' ? key : `${path}.${key}`))
    : [[path, value]];

/** Values of the field that tells the options of a union apart. */
export const tagsOf = (schema: z.ZodType): string[] => {
  const { options, discriminator } = definitionOf(unwrapped(schema));
  if (discriminator === undefined) return [];
  return (options ?? []).flatMap((option) => {
    const tag = fieldsOf(option, undefined)[discriminator];
    return tag === undefined ? [] : [...(tag._zod.values ?? [])].map(String);
  });
};

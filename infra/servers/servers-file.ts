import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import type { Home } from '../home.ts';

const Process = { pid: z.int().positive() };

/** The local servers of a home as `up` left them. Keys are in a file of their own. */
const ServersFile = z.strictObject({
  version: z.literal(1),
  temporal: z.strictObject({ ...Process, address: z.string(), ui: z.string() }).optional(),
  s3: z.strictObject({ ...Process, endpoint: z.string() }).optional(),
});
export type ServersFile = z.infer<typeof ServersFile>;

const Credentials = z.strictObject({ accessKey: z.string(), secretKey: z.string() });
export type Credentials = z.infer<typeof Credentials>;

const readJson = async <T>(file: string, schema: z.ZodType<T>): Promise<T | undefined> => {
  try {
    return schema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch {
    return undefined;
  }
};

/** Writes a JSON file so that a reader sees the old one or the new one whole. */
export async function writeJson(file: string, value: unknown, mode = 0o644): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}`;
  await writeFile(temporary, `${JSON.stringify(value, null, 2)}\n`, { mode });
  await rename(temporary, file);
}

export const readServersFile = (home: Home): Promise<ServersFile | undefined> =>
  readJson(home.serversFile, ServersFile);

export const readCredentials = (home: Home): Promise<Credentials | undefined> =>
  readJson(home.credentialsFile, Credentials);

/** Addresses of the local servers with the S3 server's keys, as far as they were started here. */
export async function readServers(home: Home): Promise<
  | {
      readonly temporal: { readonly address: string; readonly ui: string } | undefined;
      readonly s3: ({ readonly endpoint: string } & Credentials) | undefined;
    }
  | undefined
> {
  const [servers, keys] = await Promise.all([readServersFile(home), readCredentials(home)]);
  if (servers === undefined) return undefined;
  return {
    temporal: servers.temporal,
    s3: servers.s3 && keys ? { endpoint: servers.s3.endpoint, ...keys } : undefined,
  };
}

import { access } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { loadClientConnectConfig, type ClientConnectConfig } from '@temporalio/envconfig';
import { TemporalConfig } from '../schemas/temporal-config.ts';
import own from '../temporal.config.ts';
import { ConfigError } from './config/config-error.ts';
import { nearest } from './config/nearest.ts';
import { keysOf, schemaAt } from './config/schema-walk.ts';

const FILE = 'temporal.config.ts';

/** Checks what a config file exports. Throws `ConfigError` that names each wrong key. */
export const parseTemporalConfig = (value: unknown, from: string): TemporalConfig => {
  const parsed = TemporalConfig.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new ConfigError(
    parsed.error.issues.flatMap((issue) => {
      const above = issue.path.map(String);
      if (issue.code !== 'unrecognized_keys')
        return [{ from, path: above.join('.'), message: issue.message }];
      const at = schemaAt(TemporalConfig, above, value);
      return issue.keys.map((key) => {
        const near = nearest(key, at === undefined ? [] : keysOf(at, undefined));
        const problem = { from, path: [...above, key].join('.'), message: 'is not a known key' };
        return near === undefined ? problem : { ...problem, nearest: [...above, near].join('.') };
      });
    }),
  );
};

/** Reads `temporal.config.ts` of a folder, else the project's own. */
export const loadTemporalConfig = async (folder = process.cwd()): Promise<TemporalConfig> => {
  const file = path.resolve(folder, FILE);
  const there = await access(file).then(
    () => true,
    () => false,
  );
  if (!there) return parseTemporalConfig(own, FILE);
  const module = (await import(pathToFileURL(file).href)) as { default?: unknown };
  return parseTemporalConfig(module.default, file);
};

export interface TemporalAddress {
  /** Absent where nothing names a server: the local one is meant. */
  readonly address: string | undefined;
  readonly namespace: string;
  /** TLS, API key and headers as Temporal's own configuration gives them; for `Connection.connect`. */
  readonly options: ClientConnectConfig['connectionOptions'];
}

/** Which Temporal server is meant, by the environment, then the profile, then the config. Throws `ConfigError`. */
export const temporalAddress = (
  { connection, namespace }: TemporalConfig,
  env: NodeJS.ProcessEnv = process.env,
): TemporalAddress => {
  const set = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const profile = connection.profile === undefined ? {} : { profile: connection.profile };
  try {
    const found = loadClientConnectConfig({ ...profile, overrideEnvVars: Object.fromEntries(set) });
    return {
      address: found.connectionOptions.address,
      namespace: found.namespace ?? namespace,
      options: found.connectionOptions,
    };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new ConfigError([
      { from: FILE, path: 'connection.profile', message: `cannot be loaded: ${message}` },
    ]);
  }
};

/** Which bucket is meant, by the environment, then the config; without an endpoint, the local server's. */
export const storeAddress = (
  { store }: TemporalConfig,
  env: NodeJS.ProcessEnv = process.env,
): TemporalConfig['store'] => {
  const endpoint = env['S3_ENDPOINT'] || store.endpoint;
  return {
    bucket: env['S3_BUCKET'] ?? store.bucket,
    region: env['S3_REGION'] ?? env['AWS_REGION'] ?? store.region,
    ...(endpoint === undefined ? {} : { endpoint }),
  };
};

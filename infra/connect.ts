import type { Client } from '@temporalio/client';
import type { MinioSettings } from '../artifacts/minio-port.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import type { TemporalConfig } from '../schemas/temporal-config.ts';
import { homeFolders, type Home } from './home.ts';
import { readServers } from './servers/servers-file.ts';
import { loadTemporalConfig, storeAddress, temporalAddress } from './temporal-config.ts';

/** A server that is needed and not known. The message says how to start or name it. */
export class NotConnected extends Error {
  override name = 'NotConnected' as const;
}

/** Nothing names a server and no local one was started. */
export class NoServer extends NotConnected {}

/** What commands and workers of this home talk to. */
export interface Connection {
  readonly home: Home;
  readonly config: TemporalConfig;
  readonly namespace: string;
  readonly store: ArtifactStore;
  readonly client: Client;
  readonly temporalOptions: { readonly address: string };
  close(): Promise<void>;
}

/**
 * Which bucket is meant and with which keys: by the environment, by `temporal.config.ts`, else the local server's that
 * `up` started. Throws {@link NotConnected}.
 */
export async function storeSettings(): Promise<MinioSettings> {
  const { endpoint, ...meant } = storeAddress(await loadTemporalConfig());
  if (endpoint === undefined) {
    // Keys of the environment are for another server: the local one has its own.
    const local = (await readServers(homeFolders()))?.s3;
    if (local) return { ...local, ...meant };
    throw new NoServer('no S3 server is known: start the local one with `mmedexpert up`, or set S3_ENDPOINT');
  }
  const accessKey = process.env['AWS_ACCESS_KEY_ID'];
  const secretKey = process.env['AWS_SECRET_ACCESS_KEY'];
  if (accessKey === undefined || secretKey === undefined)
    throw new NotConnected(`no credentials for ${endpoint}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY`);
  return { endpoint, accessKey, secretKey, ...meant };
}

/** Opens the store that is meant. Throws {@link NotConnected}. */
export async function connectStore(): Promise<ArtifactStore> {
  // Loaded here and not above, as is Temporal's client below: whoever only asks for help does not wait for them.
  const { connectMinio } = await import('../artifacts/minio-port.ts');
  const { openStore } = await import('../artifacts/store.ts');
  return openStore(await connectMinio(await storeSettings()));
}

/** Which Temporal server and namespace are meant. Throws {@link NotConnected}. */
export async function temporalSettings() {
  const { options, address: named, namespace } = temporalAddress(await loadTemporalConfig());
  const address = named ?? (await readServers(homeFolders()))?.temporal?.address;
  if (address !== undefined) return { options: { ...options, address }, namespace };
  throw new NoServer(
    'no Temporal server is known: start the local one with `mmedexpert up`, or set TEMPORAL_ADDRESS',
  );
}

/** Connects to the store and to Temporal. Throws {@link NotConnected}. */
export async function connect(): Promise<Connection> {
  const home = homeFolders();
  const config = await loadTemporalConfig();
  const { options: temporalOptions, namespace } = await temporalSettings();
  const { Client, Connection } = await import('@temporalio/client');
  const store = await connectStore();
  const connection = await Connection.connect(temporalOptions).catch((error: unknown) => {
    throw new NotConnected(
      `Temporal at ${temporalOptions.address} does not answer: start it with \`mmedexpert up\`, or check TEMPORAL_ADDRESS`,
      { cause: error },
    );
  });
  return {
    home,
    config,
    namespace,
    store,
    client: new Client({ connection, namespace }),
    temporalOptions,
    close: async () => {
      await connection.close();
      store.close();
    },
  };
}

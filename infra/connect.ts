import { Client, Connection as TemporalConnection } from '@temporalio/client';
import { connectMinio } from '../artifacts/minio-port.ts';
import { openStore, type ArtifactStore } from '../artifacts/store.ts';
import type { TemporalConfig } from '../schemas/temporal-config.ts';
import { homeFolders, type Home } from './home.ts';
import { readServers } from './servers/servers-file.ts';
import { loadTemporalConfig, storeAddress, temporalAddress } from './temporal-config.ts';

/** A server that is needed and not known. The message says how to start or name it. */
export class NotConnected extends Error {
  override name = 'NotConnected' as const;
}

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

/** Opens the store that is meant: by the environment, by `temporal.config.ts`, else the local one that `up` started. */
export async function connectStore(): Promise<ArtifactStore> {
  const config = await loadTemporalConfig();
  const meant = storeAddress(config);
  const local = await readServers(homeFolders());
  const endpoint = meant.endpoint ?? local?.s3?.endpoint;
  const accessKey = process.env['AWS_ACCESS_KEY_ID'] ?? local?.s3?.accessKey;
  const secretKey = process.env['AWS_SECRET_ACCESS_KEY'] ?? local?.s3?.secretKey;
  if (endpoint === undefined)
    throw new NotConnected(
      'no S3 server is known: start the local one with `mmedexpert up`, or set S3_ENDPOINT',
    );
  if (accessKey === undefined || secretKey === undefined)
    throw new NotConnected(`no credentials for ${endpoint}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY`);
  return openStore(
    await connectMinio({ endpoint, accessKey, secretKey, bucket: meant.bucket, region: meant.region }),
  );
}

/** Connects to the store and to Temporal. Throws {@link NotConnected}. */
export async function connect(): Promise<Connection> {
  const home = homeFolders();
  const config = await loadTemporalConfig();
  const { options, address: named, namespace } = temporalAddress(config);
  const address = named ?? (await readServers(home))?.temporal?.address;
  if (address === undefined)
    throw new NotConnected(
      'no Temporal server is known: start the local one with `mmedexpert up`, or set TEMPORAL_ADDRESS',
    );
  const temporalOptions = { ...options, address };
  const store = await connectStore();
  const connection = await TemporalConnection.connect(temporalOptions).catch((error: unknown) => {
    throw new NotConnected(
      `Temporal at ${address} does not answer: start it with \`mmedexpert up\`, or check TEMPORAL_ADDRESS`,
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

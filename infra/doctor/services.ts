import { randomBytes } from 'node:crypto';
import { Connection } from '@temporalio/client';
import { PreconditionFailed } from '../../artifacts/errors.ts';
import { connectMinio } from '../../artifacts/minio-port.ts';
import type { ObjectPort } from '../../artifacts/object-port.ts';
import { NoServer, storeSettings, temporalSettings } from '../connect.ts';
import { fail, type Finding, ok, warn, wordsOf } from './finding.ts';

const UP = 'start the local servers with `mmedexpert up`';

/** Whether the Temporal server that is meant answers and has the namespace. */
export async function examineTemporal(): Promise<Finding> {
  const name = 'Temporal';
  try {
    const { options, namespace } = await temporalSettings();
    const connection = await Connection.connect({ ...options, connectTimeout: 5000 });
    try {
      const [{ serverVersion }] = await connection.withDeadline(Date.now() + 5000, () =>
        Promise.all([
          connection.workflowService.getSystemInfo({}),
          connection.workflowService.describeNamespace({ namespace }),
        ]),
      );
      return ok(name, `server ${serverVersion} at ${options.address}, namespace ${namespace}`);
    } catch (error) {
      return fail(
        name,
        `${options.address}: ${wordsOf(error)}`,
        `make the namespace ${namespace}, or set TEMPORAL_NAMESPACE`,
      );
    } finally {
      await connection.close();
    }
  } catch (error) {
    if (error instanceof NoServer) return warn(name, 'no server is known', UP);
    return fail(name, wordsOf(error), `check TEMPORAL_ADDRESS, or ${UP}`);
  }
}

const refused = async (put: Promise<unknown>): Promise<boolean> => {
  try {
    await put;
    return false;
  } catch (error) {
    if (error instanceof PreconditionFailed) return true;
    throw error;
  }
};

/** What of conditional writing the server does not honour; the store's safety rests on it. */
async function unsafeWrites(port: ObjectPort): Promise<string | undefined> {
  const key = `doctor/${randomBytes(8).toString('hex')}`;
  try {
    const attempts = Array.from({ length: 16 }, (_, i) =>
      refused(port.put(key, Buffer.from([i]), { ifAbsent: true })),
    );
    const winners = (await Promise.all(attempts)).filter((lost) => !lost).length;
    if (winners !== 1) return `${winners} of 16 simultaneous writers with If-None-Match won, not one`;
    const { etag } = await port.head(key);
    await port.put(key, Buffer.from('second'), { ifMatch: etag });
    const stale = await refused(port.put(key, Buffer.from('third'), { ifMatch: etag }));
    return stale ? undefined : 'a write with an outdated If-Match was accepted';
  } finally {
    await port.delete(key);
  }
}

/** Whether the S3 server that is meant answers and honours conditional writes. */
export async function examineS3(): Promise<Finding> {
  const name = 'S3';
  try {
    const port = await connectMinio({ ...(await storeSettings()), timeoutMs: 10_000 });
    try {
      const unsafe = await unsafeWrites(port);
      return unsafe === undefined
        ? ok(name, `${port.description}, conditional writes are honoured`)
        : fail(
            name,
            `${port.description}: ${unsafe}`,
            'use a server that honours them: versitygw 1.8.0 or later, AWS S3',
          );
    } finally {
      port.close();
    }
  } catch (error) {
    if (error instanceof NoServer) return warn(name, 'no server is known', UP);
    return fail(
      name,
      wordsOf(error),
      `check S3_ENDPOINT, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or ${UP}`,
    );
  }
}

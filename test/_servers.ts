import { randomBytes } from 'node:crypto';
import { inject } from 'vitest';

export interface TemporalServer {
  readonly address: string;
  readonly namespace: string;
}

export interface S3Server {
  readonly endpoint: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly region: string;
}

const running = <T>(server: T | string): T => {
  if (typeof server === 'string') throw new Error(server);
  return server;
};

/** The Temporal server of this test run. Task queues are told apart by the store's id. */
export const temporal = (): TemporalServer => running(inject('temporal'));

/** The S3 server of this test run, with the name of a bucket that nobody else uses. */
export const s3 = (): S3Server & { readonly bucket: string } => ({
  ...running(inject('s3')),
  bucket: `test-${randomBytes(6).toString('hex')}`,
});

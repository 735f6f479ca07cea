import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { describe, expect, it } from 'vitest';
import { letsGo } from '../../../activities/shell/join.ts';

/** A client that knows one workflow, by what describing it gives. */
const clientOf = (describeIt: () => Promise<unknown>): Pick<Client, 'workflow'> =>
  ({ workflow: { getHandle: () => ({ describe: describeIt }) } }) as unknown as Pick<Client, 'workflow'>;
const inState = (name: string) => clientOf(async () => ({ status: { name } }));
const failing = (error: Error) => clientOf(() => Promise.reject(error));

describe('waiting for a step', () => {
  const none = { cancelRequested: false, notFound: false };
  it.each([
    ['its run cancels it', inState('RUNNING'), { ...none, cancelRequested: true }],
    ['its run has ended', inState('TERMINATED'), { ...none, notFound: true }],
    [
      'its run is forgotten',
      failing(new WorkflowNotFoundError('gone', 'run', undefined)),
      { ...none, notFound: true },
    ],
  ])('lets go where %s', async (_, client, details) => {
    expect(await letsGo(client, 'run', details)).toBe(true);
  });

  it.each([
    [
      'another attempt took its place, its heartbeats being late',
      inState('RUNNING'),
      { ...none, notFound: true },
    ],
    ['nobody can say whether its run is open', failing(new Error('no server')), { ...none, notFound: true }],
    ['its worker shuts down', inState('RUNNING'), none],
    ['nothing is said', inState('RUNNING'), undefined],
  ])('does not let go where %s', async (_, client, details) => {
    expect(await letsGo(client, 'run', details)).toBe(false);
  });
});

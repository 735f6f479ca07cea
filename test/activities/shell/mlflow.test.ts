import { createServer } from 'node:http';
import type { IncomingHttpHeaders, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { withMlflow } from '../../../activities/shell/mlflow.ts';
import type { Progress } from '../../../schemas/progress.ts';

interface Asked {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Record<string, unknown>;
}

const never = new AbortController().signal;
const at = (done: number, figures: Record<string, number>, unit = 'steps'): Progress => ({
  done,
  total: 9,
  unit,
  figures,
});

describe('the figures of a training, sent to MLflow', () => {
  let server: Server;
  let address: string;
  let asked: Asked[];
  let warnings: string[];
  /** What the server answers at a path: a body, or a status of failure. */
  let answers: Record<string, object | number>;

  beforeEach(async () => {
    asked = [];
    warnings = [];
    answers = {
      'experiments/get-by-name': { experiment: { experiment_id: '7' } },
      'runs/search': {},
      'runs/create': { run: { info: { run_id: 'r1' } } },
    };
    server = createServer((request, response) => {
      let text = '';
      request.on('data', (part: Buffer) => void (text += part.toString()));
      request.on('end', () => {
        const url = new URL(request.url ?? '', 'http://localhost');
        const path = url.pathname.replace('/mlflow-here/api/2.0/mlflow/', '');
        const body = (text === '' ? Object.fromEntries(url.searchParams) : JSON.parse(text)) as Asked['body'];
        asked.push({ path, headers: request.headers, body });
        const answer = answers[path] ?? {};
        response.statusCode = typeof answer === 'number' ? answer : 200;
        response.end(typeof answer === 'number' ? 'no' : JSON.stringify(answer));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mlflow-here/`;
  });
  afterEach(() => new Promise((resolve) => server.close(resolve)));

  const train = (
    events: readonly Progress[],
    env: Record<string, string> = {},
    run: { key?: string; signal?: AbortSignal; fails?: boolean } = {},
  ): Promise<string> =>
    withMlflow(
      { name: 'sft/AM', key: run.key, params: { rank: 16, keep: 'best' }, signal: run.signal ?? never },
      (line) => void warnings.push(line),
      (take) => {
        for (const event of events) take(event);
        return run.fails === true
          ? Promise.reject(new Error('the stage failed'))
          : Promise.resolve('trained');
      },
      { MLFLOW_TRACKING_URI: address, ...env },
    );
  const paths = (): string[] => asked.map(({ path }) => path);
  const bodyOf = (path: string, n = 0): Asked['body'] | undefined =>
    asked.filter((one) => one.path === path)[n]?.body;

  it('go to a run of their own, with its parameters, by step', async () => {
    expect(await train([at(1, { loss: 2 }), at(2, { loss: 1, validationLoss: 3 })])).toBe('trained');
    expect(paths()).toEqual([
      'experiments/get-by-name',
      'runs/create',
      'runs/log-batch',
      'runs/log-batch',
      'runs/update',
    ]);
    expect(bodyOf('experiments/get-by-name')).toEqual({ experiment_name: 'mmedexpert' });
    expect(bodyOf('runs/create')).toMatchObject({ experiment_id: '7', run_name: 'sft/AM', tags: [] });
    expect(bodyOf('runs/log-batch')).toEqual({
      run_id: 'r1',
      params: [
        { key: 'rank', value: '16' },
        { key: 'keep', value: 'best' },
      ],
    });
    expect(bodyOf('runs/log-batch', 1)).toMatchObject({
      run_id: 'r1',
      metrics: [
        { key: 'loss', value: 2, step: 1 },
        { key: 'loss', value: 1, step: 2 },
        { key: 'validationLoss', value: 3, step: 2 },
      ],
    });
    expect(bodyOf('runs/update')).toMatchObject({ run_id: 'r1', status: 'FINISHED' });
    expect(warnings).toEqual([]);
  });

  it('go on in the run of an earlier attempt at the same action', async () => {
    answers['runs/search'] = { runs: [{ info: { run_id: 'r0' } }] };
    await train([at(5, { loss: 2 })], {}, { key: 'sha256:ab' });
    expect(bodyOf('runs/search')).toMatchObject({ filter: "tags.`mmedexpert.action` = 'sha256:ab'" });
    expect(paths()).not.toContain('runs/create');
    expect(bodyOf('runs/update')).toEqual({ run_id: 'r0', status: 'RUNNING' });
    expect(bodyOf('runs/log-batch')).toMatchObject({ run_id: 'r0' });
  });

  it('make the experiment where it is not there, under the name that is asked for', async () => {
    answers['experiments/get-by-name'] = 404;
    answers['experiments/create'] = 400;
    const env = { MLFLOW_EXPERIMENT_NAME: 'mine' };
    await train([at(1, { loss: 2 })], env);
    expect(bodyOf('experiments/create')).toEqual({ name: 'mine' });
    expect(paths().filter((path) => path === 'experiments/get-by-name')).toHaveLength(2);
  });

  it('carry the credentials that MLflow’s clients would send', async () => {
    await train([at(1, { loss: 2 })], { MLFLOW_TRACKING_TOKEN: 'secret' });
    expect(asked[0]?.headers.authorization).toBe('Bearer secret');
    asked = [];
    await train([at(1, { loss: 2 })], { MLFLOW_TRACKING_USERNAME: 'me', MLFLOW_TRACKING_PASSWORD: 'pw' });
    expect(asked[0]?.headers.authorization).toBe(`Basic ${Buffer.from('me:pw').toString('base64')}`);
  });

  it.each([
    ['FAILED', false],
    ['KILLED', true],
  ])('end a run that did not finish as %s, and its error stays', async (status, cancelled) => {
    const signal = cancelled ? AbortSignal.abort() : never;
    await expect(train([at(1, { loss: 2 })], {}, { signal, fails: true })).rejects.toThrow(
      'the stage failed',
    );
    expect(bodyOf('runs/update')).toMatchObject({ status });
  });

  it('are none of a step that does not train, and no number that JSON does not have', async () => {
    await train([at(1, { tokensPerSecond: 9 }, 'answers'), at(2, { loss: NaN })]);
    expect(asked).toEqual([]);
  });

  it.each([
    ['that refuses', 'runs/create', /MLflow is sent no more figures: runs\/create answers 500/],
    ['that refuses the end', 'runs/update', /runs\/update answers 500/],
  ])('cost a server %s one warning, and the step nothing', async (_, path, warning) => {
    answers[path] = 500;
    expect(await train([at(1, { loss: 2 }), at(2, { loss: 1 })])).toBe('trained');
    expect(warnings).toEqual([expect.stringMatching(warning)]);
  });

  it('cost a server that is away one warning, and the step nothing', async () => {
    const env = { MLFLOW_TRACKING_URI: 'http://127.0.0.1:1' };
    expect(await train([at(1, { loss: 2 })], env)).toBe('trained');
    expect(warnings).toHaveLength(1);
  });

  it('are not sent where no server is named, nor to an address with a password in it, which is not repeated', async () => {
    expect(await train([at(1, { loss: 2 })], { MLFLOW_TRACKING_URI: '' })).toBe('trained');
    expect(warnings).toEqual([]);
    await train([at(1, { loss: 2 })], { MLFLOW_TRACKING_URI: 'http://me:secret@127.0.0.1:1' });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).not.toContain('secret');
    expect(asked).toEqual([]);
  });
});

/**
 * Sends a training's figures to an MLflow tracking server while it runs, by its REST API 2.0. A server that does not
 * answer costs the figures and one line of log, never the step.
 *
 * The environment is read as MLflow's own clients read it: MLFLOW_TRACKING_URI, MLFLOW_EXPERIMENT_NAME, and
 * MLFLOW_TRACKING_TOKEN or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.
 */
import type { Progress } from '../../schemas/progress.ts';

export interface TrackedRun {
  readonly name: string;
  /** Further attempts with the same key go on in the same MLflow run; undefined: each has its own. */
  readonly key?: string | undefined;
  readonly params: Readonly<Record<string, unknown>>;
  readonly signal: AbortSignal;
}

const EXPERIMENT = 'mmedexpert';
const KEY_TAG = 'mmedexpert.action';
/** Figures of this long are sent together. */
const COLLECT_MS = 2000;
const TIMEOUT_MS = 5000;
/** Limits of one `runs/log-batch`. */
const METRICS = 1000;
const PARAMS = 100;
const PARAM_LENGTH = 500;

interface Metric {
  readonly key: string;
  readonly value: number;
  readonly timestamp: number;
  readonly step: number;
}

type Env = Readonly<Record<string, string | undefined>>;
type Call = (method: 'GET' | 'POST', path: string, body: Record<string, unknown>) => Promise<unknown>;

class MlflowError extends Error {
  override readonly name = 'MlflowError';
}

const authorization = (env: Env): Record<string, string> => {
  const { MLFLOW_TRACKING_TOKEN: token, MLFLOW_TRACKING_USERNAME: user } = env;
  if (token !== undefined) return { authorization: `Bearer ${token}` };
  if (user === undefined) return {};
  const pair = Buffer.from(`${user}:${env['MLFLOW_TRACKING_PASSWORD'] ?? ''}`).toString('base64');
  return { authorization: `Basic ${pair}` };
};

const callsTo = (server: string, env: Env): Call => {
  const root = `${server.replace(/\/+$/, '')}/api/2.0/mlflow/`;
  const headers = { 'content-type': 'application/json', ...authorization(env) };
  return async (method, path, body) => {
    const query =
      method === 'GET' ? `?${new URLSearchParams(body as Record<string, string>).toString()}` : '';
    const response = await fetch(root + path + query, {
      method,
      headers,
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(method === 'GET' ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new MlflowError(`${path} answers ${response.status}: ${text.slice(0, 200)}`);
    return JSON.parse(text) as unknown;
  };
};

const experimentId = async (call: Call, name: string): Promise<string> => {
  const find = async (): Promise<string> => {
    const found = await call('GET', 'experiments/get-by-name', { experiment_name: name });
    return (found as { experiment: { experiment_id: string } }).experiment.experiment_id;
  };
  // Steps that start together may make it at the same time: whoever comes second finds it.
  return find().catch(() =>
    call('POST', 'experiments/create', { name })
      .catch(() => undefined)
      .then(find),
  );
};

/** Opens the MLflow run of a tracked run, or the one of an earlier attempt. */
const openRun = async (call: Call, experiment: string, run: TrackedRun): Promise<string> => {
  const id = await experimentId(call, experiment);
  if (run.key !== undefined) {
    const filter = `tags.\`${KEY_TAG}\` = '${run.key}'`;
    const search = { experiment_ids: [id], filter, max_results: 1 };
    const { runs } = (await call('POST', 'runs/search', search)) as { runs?: { info: { run_id: string } }[] };
    const [known] = runs ?? [];
    if (known !== undefined) {
      await call('POST', 'runs/update', { run_id: known.info.run_id, status: 'RUNNING' });
      return known.info.run_id;
    }
  }
  const made = (await call('POST', 'runs/create', {
    experiment_id: id,
    run_name: run.name,
    start_time: Date.now(),
    tags: run.key === undefined ? [] : [{ key: KEY_TAG, value: run.key }],
  })) as { run: { info: { run_id: string } } };
  const params = Object.entries(run.params)
    .map(([key, value]) => ({ key, value: typeof value === 'string' ? value : JSON.stringify(value) }))
    .filter(({ value }) => value.length <= PARAM_LENGTH)
    .slice(0, PARAMS);
  await call('POST', 'runs/log-batch', { run_id: made.run.info.run_id, params });
  return made.run.info.run_id;
};

interface Tracker {
  take(event: Progress): void;
  end(status: 'FINISHED' | 'FAILED' | 'KILLED'): Promise<void>;
}

const createTracker = (
  call: Call,
  experiment: string,
  run: TrackedRun,
  warn: (line: string) => void,
): Tracker => {
  let waiting: Metric[] = [];
  let timer: NodeJS.Timeout | undefined;
  let id: string | undefined;
  let dead = false;
  let sending = Promise.resolve();

  const send = async (): Promise<void> => {
    const metrics = waiting;
    waiting = [];
    if (dead || metrics.length === 0) return;
    id ??= await openRun(call, experiment, run);
    for (let from = 0; from < metrics.length; from += METRICS)
      await call('POST', 'runs/log-batch', { run_id: id, metrics: metrics.slice(from, from + METRICS) });
  };
  const queue = (work: () => Promise<unknown>): Promise<void> => {
    sending = sending.then(work).then(
      () => undefined,
      (error: unknown) => {
        if (!dead)
          warn(`MLflow is sent no more figures: ${error instanceof Error ? error.message : String(error)}`);
        dead = true;
      },
    );
    return sending;
  };
  return {
    take({ done, unit, figures }) {
      if (dead || unit !== 'steps') return;
      const timestamp = Date.now();
      for (const [key, value] of Object.entries(figures))
        if (Number.isFinite(value)) waiting.push({ key, value, timestamp, step: done });
      timer ??= setTimeout(() => {
        timer = undefined;
        void queue(send);
      }, COLLECT_MS);
    },
    end(status) {
      clearTimeout(timer);
      return queue(async () => {
        await send();
        if (id !== undefined && !dead)
          await call('POST', 'runs/update', { run_id: id, status, end_time: Date.now() });
      });
    },
  };
};

/**
 * Runs `body` and hands it a function that takes progress; where MLFLOW_TRACKING_URI names a server, the figures go
 * there, in a run that is opened with the first of them and closed with the body.
 */
export const withMlflow = async <T>(
  run: TrackedRun,
  warn: (line: string) => void,
  body: (take: (event: Progress) => void) => Promise<T>,
  env: Env = process.env,
): Promise<T> => {
  const server = env['MLFLOW_TRACKING_URI'];
  if (server === undefined || server === '') return body(() => undefined);
  if (!/^https?:\/\/[^\s@]+$/.test(server)) {
    warn('MLflow is sent no figures: MLFLOW_TRACKING_URI is no http or https address without credentials');
    return body(() => undefined);
  }
  const experiment = env['MLFLOW_EXPERIMENT_NAME'] ?? EXPERIMENT;
  const tracker = createTracker(callsTo(server, env), experiment, run, warn);
  try {
    const result = await body((event) => tracker.take(event));
    await tracker.end('FINISHED');
    return result;
  } catch (error) {
    await tracker.end(run.signal.aborted ? 'KILLED' : 'FAILED');
    throw error;
  }
};

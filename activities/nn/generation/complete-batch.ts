import type { ModelConfig } from '../models/config.ts';
import type { HostArray } from '../ops/dtype.ts';
import { randomKey, uniform } from '../random.ts';
import type { Session } from '../runtime/session.ts';
import type { BatchEntries } from './entries.ts';
import type { Completion, SamplingOptions } from './completion.ts';
import { GenerationLimit, promptFeeds } from './prompt-feeds.ts';
import type { GenerationRequest } from './prompt-feeds.ts';

/** A completion in the making. */
interface Row {
  readonly tokens: number[];
  readonly logps: number[];
  /** One for each token that may be drawn. */
  readonly uniforms: Float32Array;
  stopped: boolean;
}

/** A place of the batch: a prompt and its completions, none where nobody asked. */
interface Place {
  readonly request: GenerationRequest | undefined;
  readonly rows: readonly Row[];
}

const hasEnded = ({ rows }: Place): boolean => rows.every((row) => row.stopped);

/**
 * One batch, from its prompts to the last token that a row may have or needs. When enough prompts have ended the others go on in a
 * smaller batch.
 */
export async function completeBatch(
  session: Session,
  config: ModelConfig,
  { sizes, prefill, stages }: BatchEntries,
  chunk: number,
  requests: readonly GenerationRequest[],
  sampling: SamplingOptions,
): Promise<Completion[][]> {
  const { maxNewTokens, stopTokens, temperature } = sampling;
  const whole = Array.from({ length: sizes.prompts }, (_, p) => placeOf(requests[p], sizes.group, sampling));
  let places = whole;
  const draw = (step: number): Record<string, HostArray> =>
    temperature === 0
      ? {}
      : {
          inverseTemperature: Float32Array.of(1 / temperature),
          uniforms: Float32Array.from(rowsOf(places), (row) => row.uniforms[step] ?? 0.5),
        };
  const take = ({ tokens, logps }: Record<string, HostArray>): void => {
    for (const [i, row] of rowsOf(places).entries()) {
      if (row.stopped) continue;
      const token = tokens?.[i] ?? 0;
      row.tokens.push(token);
      if (logps !== undefined) row.logps.push(logps[i] ?? Number.NaN);
      row.stopped = stopTokens.includes(token);
    }
  };
  take(session.run(prefill, { ...(await promptFeeds(config, sizes, requests)), ...draw(0) }));
  let [stage, ...smaller] = stages;
  for (let step = 1; step < maxNewTokens && !places.every(hasEnded); step++) {
    for (let next = smaller[0]; next !== undefined; next = smaller[0]) {
      const kept = fitting(places, next.prompts);
      if (kept === undefined || next.enter === undefined) break;
      session.run(next.enter, { kept: Int32Array.from(kept) });
      places = kept.map((p, i) =>
        i > 0 && p === kept[0] ? placeOf(undefined, sizes.group, sampling) : places[p]!,
      );
      stage = next;
      smaller = smaller.slice(1);
    }
    const at = step - 1;
    const entry = stage.decode[Math.floor(at / chunk)];
    if (entry === undefined) throw new GenerationLimit(`no room for token ${step}`);
    const feeds = {
      lengths: Int32Array.from(places, ({ request }) => request?.tokens.length ?? 1),
      slot: Int32Array.of(at % chunk),
      tokens: Int32Array.from(rowsOf(places), (row) => row.tokens.at(-1) ?? 0),
      positions: Int32Array.from(
        places.flatMap(({ request, rows }) => rows.map(() => (request?.positions.next ?? 1) + at)),
      ),
    };
    take(session.run(entry, { ...feeds, ...draw(step) }));
    // A step blocks the thread; timers and heartbeats get their turn between two.
    await new Promise((resolve) => setImmediate(resolve));
  }
  return whole.slice(0, requests.length).map(({ rows }) =>
    rows.map(({ tokens, logps, stopped }) => ({
      tokens,
      logps,
      finishReason: stopped ? 'stop' : 'length',
    })),
  );
}

const rowsOf = (places: readonly Place[]): Row[] => places.flatMap(({ rows }) => rows);

function placeOf(
  request: GenerationRequest | undefined,
  group: number,
  { maxNewTokens, seed }: Pick<SamplingOptions, 'maxNewTokens' | 'seed'>,
): Place {
  const rows = Array.from({ length: group }, (_, row) => ({
    tokens: [],
    logps: [],
    stopped: request === undefined,
    uniforms:
      request === undefined
        ? new Float32Array()
        : // Zero would hit a suppressed token.
          uniform(randomKey(seed, 'generate', request.id, row), maxNewTokens).map((u) =>
            Math.max(u, 2 ** -25),
          ),
  }));
  return { request, rows };
}

/** The places that have not ended, filled up with the first of them to `count`; undefined where they are more, or none. */
function fitting(places: readonly Place[], count: number): number[] | undefined {
  const open = places.flatMap((place, p) => (hasEnded(place) ? [] : [p]));
  const [first] = open;
  if (first === undefined || open.length > count) return undefined;
  return Array.from({ length: count }, (_, i) => open[i] ?? first);
}

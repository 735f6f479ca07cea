import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { heartbeat } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import type { ArtifactStore } from '../../artifacts/store.ts';
import { Case } from '../../schemas/case.ts';
import { Decision } from '../../schemas/decision.ts';
import type { Digest } from '../../schemas/digest.ts';
import type { Reference } from '../../schemas/reference.ts';
import { Trace } from '../../schemas/trace.ts';
import { decideByRule } from '../review/rule-reviewer.ts';
import { readBank } from '../clinic/bank.ts';

/** A set of decisions that does not fit the traces under review. Names the artifact and the first misfit. */
export class BadDecisions extends Error {
  override name = 'BadDecisions' as const;
}

/** All decisions on the traces so far, as one artifact, and how many traces have none. */
export interface Ledger {
  readonly decisions: Reference;
  readonly undecided: number;
}

/** Workflow id of a run: where its updates and queries go. */
export const runWorkflowId = (storeId: string, runId: string): string => `run/${storeId}/${runId}`;

const rows = <T>(bytes: Uint8Array, parse: (row: unknown) => T): T[] =>
  Buffer.from(bytes)
    .toString('utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => parse(JSON.parse(line)));

const tracesOf = async (store: ArtifactStore, digest: Digest) =>
  rows(await store.readFile(digest, 'traces.jsonl'), (row) => Trace.parse(row));

const decisionsOf = async (store: ArtifactStore, digest: Digest) =>
  rows(await store.readFile(digest, 'decisions.jsonl'), (row) => Decision.parse(row));

/** Publishes decisions in order of trace, so that equal decisions are one artifact whoever handed them in, and when. */
async function publish(
  store: ArtifactStore,
  scratch: string,
  decisions: readonly Decision[],
  synthetic: boolean,
): Promise<Reference> {
  await mkdir(scratch, { recursive: true });
  const folder = await mkdtemp(path.join(scratch, 'decisions-'));
  try {
    const sorted = decisions.toSorted((a, b) => (a.trace < b.trace ? -1 : 1));
    await writeFile(
      path.join(folder, 'decisions.jsonl'),
      sorted.map((decision) => `${JSON.stringify(decision)}\n`).join(''),
    );
    return await store.putFolder(folder, { kind: 'decisions', synthetic });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Gathers what was ever decided on these traces. The first decision on a trace stands; decisions are found by trace
 * digest, whichever run they were made in.
 */
export async function openReview(
  store: ArtifactStore,
  scratch: string,
  { traces, decisions }: { traces: Reference; decisions: readonly Reference[] },
): Promise<Ledger> {
  const wanted = new Set((await tracesOf(store, traces.digest)).map(({ digest }) => digest));
  const { synthetic } = await store.manifest(traces.digest);
  const earlier = await store.list({ kind: 'decisions' });
  const byAge = earlier.toSorted((a, b) => a.publishedAt.getTime() - b.publishedAt.getTime());
  const sets = [...byAge.map(({ artifact }) => artifact.digest), ...decisions.map(({ digest }) => digest)];
  const decided = new Map<Digest, Decision>();
  for (const digest of new Set(sets))
    for (const decision of await decisionsOf(store, digest))
      if (wanted.has(decision.trace) && !decided.has(decision.trace)) decided.set(decision.trace, decision);
  const ledger = await publish(store, scratch, [...decided.values()], synthetic === true);
  return { decisions: ledger, undecided: wanted.size - decided.size };
}

/** Takes a set of decisions in. Throws {@link BadDecisions} where it is about other traces. */
export async function acceptDecisions(
  store: ArtifactStore,
  scratch: string,
  { traces, decisions, earlier }: { traces: Reference; decisions: Reference; earlier: readonly Reference[] },
): Promise<Ledger> {
  const wanted = new Set((await tracesOf(store, traces.digest)).map(({ digest }) => digest));
  const stray = (await decisionsOf(store, decisions.digest)).find(({ trace }) => !wanted.has(trace));
  if (stray)
    throw new BadDecisions(
      `${decisions.digest}: the decision on ${stray.trace} is about no trace of ${traces.digest}, which this run reviews`,
    );
  return openReview(store, scratch, { traces, decisions: [...earlier, decisions] });
}

/** What the rule reviews, for which run, and what it judges by. */
export interface RuleReview {
  readonly runId: string;
  readonly storeId: string;
  readonly traces: Reference;
  readonly cases: Reference;
  readonly bank: Reference;
}

/**
 * Stands in for the doctors in the demo: judges each undecided trace by recomputing it from the bank, and hands the
 * decisions in as anybody would, through the run's `decide` update.
 */
export async function reviewByRule(
  store: ArtifactStore,
  client: Client,
  scratch: string,
  review: RuleReview,
): Promise<number> {
  const bank = readBank(
    JSON.parse(Buffer.from(await store.readFile(review.bank.digest, 'bank.json')).toString('utf8')),
  );
  const cases = rows(await store.readFile(review.cases.digest, 'cases.jsonl'), (row) => Case.parse(row));
  const byId = new Map(cases.map((one) => [one.id, one]));
  const decisions: Decision[] = [];
  for (const trace of await tracesOf(store, review.traces.digest)) {
    const one = byId.get(trace.caseId);
    if (!one)
      throw new BadDecisions(`${trace.digest} is about ${trace.caseId}, which is not among the cases`);
    decisions.push(decideByRule(bank, one, trace));
    heartbeat(decisions.length);
  }
  const handedIn = await publish(store, scratch, decisions, true);
  const run = client.workflow.getHandle(runWorkflowId(review.storeId, review.runId));
  await run.executeUpdate('decide', { args: [handedIn], updateId: handedIn.digest });
  return decisions.length;
}

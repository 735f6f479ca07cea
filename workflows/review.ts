import {
  ApplicationFailure,
  condition,
  proxyActivities,
  proxyLocalActivities,
  setHandler,
} from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { mediaTypeOf } from '../schemas/artifact-kind.ts';
import { Reference } from '../schemas/reference.ts';
import type { RunContext } from './run.ts';
import { decideUpdate } from './messages.ts';
import type { Serially } from './serially.ts';

/** An open review: the traces it is about and how many of them nobody has decided. */
export interface OpenReview {
  readonly traces: Reference;
  readonly undecided: number;
}

const { openReview, acceptDecisions } = proxyLocalActivities<Activities>({
  startToCloseTimeout: '5 minutes',
});

/**
 * Waits until every trace is decided and returns the decisions as one artifact. Decisions arrive through the `decide`
 * update, from people or from whatever stands in for them; what was decided in an earlier run is not asked again.
 */
export async function awaitReview(
  run: RunContext & {
    readonly traces: Reference;
    readonly cases: Reference;
    readonly bank: Reference | undefined;
  },
  serially: Serially,
  show: (review: OpenReview | undefined) => void,
): Promise<Reference> {
  const { traces, cases, bank } = run;
  let ledger = await serially(() => openReview({ traces, decisions: [] }));
  const received: Reference[] = [];
  let accepting: Promise<unknown> = Promise.resolve();

  setHandler(
    decideUpdate,
    async (decisions) => {
      const turn = accepting.then(async () => {
        ledger = await serially(() => acceptDecisions({ traces, decisions, earlier: received }));
        received.push(decisions);
        show(ledger.undecided > 0 ? { traces, undecided: ledger.undecided } : undefined);
        return ledger.undecided;
      });
      accepting = turn.catch(() => undefined);
      return turn;
    },
    {
      validator: (decisions) => {
        const parsed = Reference.safeParse(decisions);
        if (!parsed.success)
          throw ApplicationFailure.nonRetryable('not a reference to an artifact', 'BadDecisions');
        if (parsed.data.mediaType !== mediaTypeOf('decisions'))
          throw ApplicationFailure.nonRetryable(
            `${parsed.data.mediaType} is not an artifact of decisions`,
            'BadDecisions',
          );
        if (ledger.undecided === 0)
          throw ApplicationFailure.nonRetryable('every trace of this run is decided already', 'NoOpenReview');
      },
    },
  );

  if (ledger.undecided > 0) {
    show({ traces, undecided: ledger.undecided });
    if (bank !== undefined) {
      const { reviewByRule } = proxyActivities<Activities>({
        taskQueue: run.queues.cpu,
        startToCloseTimeout: '10 minutes',
        heartbeatTimeout: run.limits.heartbeatTimeoutMs,
      });
      await reviewByRule({ runId: run.runId, storeId: run.storeId, traces, cases, bank });
    }
    await condition(() => ledger.undecided === 0);
  }
  await accepting;
  show(undefined);
  return ledger.decisions;
}

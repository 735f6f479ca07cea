import { DefaultLogger, NativeConnection, Runtime, Worker, type WorkerOptions } from '@temporalio/worker';
import { createActivities } from '../../activities/index.ts';
import { connect, type Connection } from '../connect.ts';
import { probesFolder } from '../probes.ts';
import { queuesOf, type QueueName } from '../runs/queues.ts';
import { workflowBundle } from './bundle.ts';

export interface WorkerSettings {
  readonly queues: readonly QueueName[];
  /** Called when every queue is polled. */
  readonly onReady?: () => void;
}

/** What a queue's worker runs, and how much of it at once. */
async function optionsOf(
  name: QueueName,
  { store, client, home, config, namespace }: Connection,
): Promise<WorkerOptions> {
  const activities = createActivities({
    store,
    client,
    scratch: home.scratch,
    logs: home.stepLogs,
    probes: probesFolder(),
  });
  const { slots } = config.taskQueues[name];
  const common = {
    namespace,
    taskQueue: queuesOf(config, store.id)[name],
    // Cancellation arrives with heartbeats only: without this it may take a minute.
    maxHeartbeatThrottleInterval: '2 seconds',
    defaultHeartbeatThrottleInterval: '2 seconds',
    shutdownGraceTime: 0,
    shutdownForceTime: config.timeouts.shutdownMs,
  } as const;
  switch (name) {
    case 'orchestrate':
      return {
        ...common,
        activities,
        workflowBundle: await workflowBundle(home.bundles),
        // A worker that died is given up after this long, and another takes its workflows.
        stickyQueueScheduleToStartTimeout: '2 seconds',
        maxConcurrentLocalActivityExecutions: slots,
        // Activities of these names are dispatched to the other queues; here they are local ones only.
        enableNonLocalActivities: false,
      };
    case 'wait':
      return {
        ...common,
        activities: { joinStep: activities.joinStep },
        maxConcurrentActivityTaskExecutions: slots,
      };
    case 'cpu':
      return {
        ...common,
        activities: { executeStage: activities.executeStage, reviewByRule: activities.reviewByRule },
        maxConcurrentActivityTaskExecutions: slots,
      };
    default:
      return {
        ...common,
        activities: { executeStage: activities.executeStage },
        maxConcurrentActivityTaskExecutions: slots,
      };
  }
}

/** Serves queues until it is told to stop (SIGTERM, SIGINT); running steps save what they have first. */
export async function runWorkers({ queues, onReady }: WorkerSettings): Promise<void> {
  Runtime.install({ logger: new DefaultLogger('WARN'), shutdownSignals: [] });
  const connection = await connect();
  const native = await NativeConnection.connect(connection.temporalOptions);
  const workers: Worker[] = [];
  for (const name of queues)
    workers.push(await Worker.create({ ...(await optionsOf(name, connection)), connection: native }));
  const stop = () => {
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  const running = workers.map((worker) => worker.run());
  onReady?.();
  try {
    await Promise.all(running);
  } finally {
    stop();
    await Promise.allSettled(running);
    await native.close();
    await connection.close();
  }
}

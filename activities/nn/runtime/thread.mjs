// A thread of `threads.ts`. The sources are TypeScript, and hooks that load it reach no other thread than their own.
import { parentPort, workerData } from 'node:worker_threads';
import { register } from 'tsx/esm/api';

register();
const { perform } = await import(workerData.module);
parentPort.on('message', ({ id, task, blocks, next }) => {
  const results = [];
  try {
    for (let block = Atomics.add(next, 0, 1); block < blocks; block = Atomics.add(next, 0, 1))
      results.push([block, perform(task, block)]);
    parentPort.postMessage({ id, results }, []);
  } catch (error) {
    parentPort.postMessage({ id, error }, []);
  }
});

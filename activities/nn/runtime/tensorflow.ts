import { createRequire } from 'node:module';
import os from 'node:os';
import process from 'node:process';
import type * as tfjs from '@tensorflow/tfjs-node-gpu';
import type { NodeJSKernelBackend } from '@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend.js';
import { processorLanes } from '../lanes.ts';

/** The one import of TensorFlow: its thread count and flags are environment variables that it reads once, while it loads. */
export type TensorFlow = typeof tfjs;

export interface TensorFlowOptions {
  /** Threads within one operation; part of what determines the bits of a result. */
  readonly threads?: number;
}

/** TensorFlow is already loaded with another thread count. */
export class ThreadCountFixed extends Error {
  override readonly name = 'ThreadCountFixed';
}

/** Every lane its share of the processor's cores. */
export const defaultThreads = Math.max(1, Math.floor(os.availableParallelism() / processorLanes));

let loaded: { readonly tf: TensorFlow; readonly threads: number } | undefined;

/** Loads TensorFlow on the first call; later calls return it, and fail if they ask for another number of threads. */
export function loadTensorFlow(options: TensorFlowOptions = {}): TensorFlow {
  if (loaded !== undefined) {
    if (options.threads !== undefined && options.threads !== loaded.threads)
      throw new ThreadCountFixed(
        `TensorFlow runs with ${loaded.threads} intra-op threads in this process; ${options.threads} need a process of their own`,
      );
    return loaded.tf;
  }
  const threads = options.threads ?? Number(process.env['TF_NUM_INTRAOP_THREADS'] ?? defaultThreads);
  process.env['TF_NUM_INTRAOP_THREADS'] = String(threads);
  process.env['TF_NUM_INTEROP_THREADS'] ??= String(processorLanes);
  process.env['TF_ENABLE_ONEDNN_OPTS'] = '1';
  process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '3';
  const require = createRequire(import.meta.url);
  // tfjs-node calls a function of node:util that Node 23 removed.
  const util = require('node:util') as { isNullOrUndefined?: (value: unknown) => boolean };
  util.isNullOrUndefined ??= (value) => value === null || value === undefined;
  const tf = require('@tensorflow/tfjs-node-gpu') as TensorFlow;
  loaded = { tf, threads };
  return tf;
}

/** The part of tfjs-node that speaks to TensorFlow: single operations and sessions. */
export const nodeBackend = (tf: TensorFlow): NodeJSKernelBackend => tf.backend() as NodeJSKernelBackend;

import type { Tensor, Tensor1D } from '@tensorflow/tfjs-node-gpu';
import type { FileRange } from '../checkpoint/files.ts';
import type { Shape } from '../ops/shape.ts';
import { nodeBackend, type TensorFlow } from './tensorflow.ts';

/** Bytes of a number, float32 or int32. */
const NUMBER = 4;
/** Numbers that an index can tell apart. */
const INDICES = 2 ** 31;

/** Whether a part of a file can be mapped: it consists of whole numbers, and need not cross to a device. */
export function canMap(tf: TensorFlow, { position, bytes }: FileRange): boolean {
  const [begin, end] = [position / NUMBER, (position + bytes) / NUMBER];
  return (
    !nodeBackend(tf).isUsingGpuDevice && Number.isInteger(begin) && Number.isInteger(end) && end < INDICES
  );
}

/**
 * A part of a file as a tensor. One that begins and ends at multiples of 64 bytes is no copy: its pages are those of the system's
 * cache, which all processes that map the file share and which the system may take back, and nothing can be written to
 * them. Kernels do not take others; those are copied. Throws TensorFlow's error where the file cannot be mapped.
 *
 * `ImmutableConst` maps. It is executed by itself, since the constants of a graph are folded, which copies them.
 */
export function mapFile(
  tf: TensorFlow,
  { path, position, bytes }: FileRange,
  shape: Shape,
  dtype: 'float32' | 'int32',
): Tensor {
  const backend = nodeBackend(tf);
  const { binding } = backend;
  const [begin, size] = [position / NUMBER, bytes / NUMBER];
  const attributes = [
    { name: 'dtype', type: binding.TF_ATTR_TYPE, value: backend.getDTypeInteger(dtype) },
    { name: 'shape', type: binding.TF_ATTR_SHAPE, value: [begin + size] },
    { name: 'memory_region_name', type: binding.TF_ATTR_STRING, value: path },
  ];
  return tf.tidy(() => {
    const upToEnd = backend.executeSingleOutput('ImmutableConst', attributes, []) as Tensor1D;
    return tf.reshape(tf.slice1d(upToEnd, begin, size), [...shape]);
  });
}

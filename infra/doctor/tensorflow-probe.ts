/** Loads TensorFlow, multiplies two matrices and prints what it runs on. A process of its own, for it may crash. */
import { loadTensorFlow } from '../../activities/nn/runtime/tensorflow.ts';

interface NodeBackend {
  readonly isGPUPackage: boolean;
  readonly isUsingGpuDevice: boolean;
  readonly binding: { readonly TF_Version: string };
}

const tf = loadTensorFlow();
const product = tf
  .matMul(tf.ones([64, 64]), tf.ones([64, 64]))
  .sum()
  .dataSync()[0];
if (product !== 64 ** 3) throw new Error(`TensorFlow multiplies wrongly: ${product}`);
const backend = tf.backend() as unknown as NodeBackend;
process.stdout.write(
  `${JSON.stringify({ version: backend.binding.TF_Version, gpu: backend.isUsingGpuDevice })}\n`,
);

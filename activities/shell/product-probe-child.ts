/** Measures how fast this machine multiplies and prints it. A process of its own: a worker does not load TensorFlow. */
import { measureProducts } from '../nn/runtime/product-speed.ts';

process.stdout.write(`${JSON.stringify(await measureProducts())}\n`);

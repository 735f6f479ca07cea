import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import os from 'node:os';
import { SetupError } from './processes.mjs';

function hasNvidiaDriver() {
  if (existsSync('/proc/driver/nvidia/version')) return true;
  try {
    // Under WSL the driver shows itself through this program alone.
    execFileSync('nvidia-smi', ['-L'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** `cpu` or `cuda` as `MMEDEXPERT_ACCELERATOR` says; without it, `cuda` where an NVIDIA driver is found. */
export function accelerator(env = process.env, found = hasNvidiaDriver) {
  const asked = env.MMEDEXPERT_ACCELERATOR;
  if (asked === 'cuda' || asked === 'cpu') return asked;
  if (asked) throw new SetupError(`MMEDEXPERT_ACCELERATOR is ${JSON.stringify(asked)}: it is cpu or cuda`);
  return found() ? 'cuda' : 'cpu';
}

/** The pinned wheels of this platform. Throws {@link SetupError} where there are none. */
export function pinnedLibrary(pins, kind, platform = `${process.platform}-${os.arch()}`) {
  const pin = pins.tensorflow[`${platform}-${kind}`];
  if (pin) return pin;
  throw new SetupError(
    `no TensorFlow library is pinned for ${platform}-${kind}: there are ${Object.keys(pins.tensorflow).join(', ')}`,
  );
}

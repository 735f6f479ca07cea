import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger, type WorkflowBundle } from '@temporalio/worker';
import { workflowVersion } from '../code-version.ts';

/** Workflow code as the sandbox loads it, bundled once for each version of it and kept in `folder`. */
export async function workflowBundle(folder: string): Promise<WorkflowBundle> {
  const file = path.join(folder, `workflows-${await workflowVersion()}.js`);
  try {
    return { code: await readFile(file, 'utf8') };
  } catch {
    const { code } = await bundleWorkflowCode({
      workflowsPath: fileURLToPath(new URL('../../workflows/index.ts', import.meta.url)),
      logger: new DefaultLogger('WARN'),
    });
    await mkdir(folder, { recursive: true });
    await writeFile(`${file}.${process.pid}`, code);
    await rename(`${file}.${process.pid}`, file);
    return { code };
  }
}

import type { RunProgress } from '../../schemas/step.ts';
import type { ServersFile } from '../servers/servers-file.ts';

/** What a visitor can do after the demo. */
export function nextSteps({ runId, steps }: RunProgress, servers: ServersFile): string {
  const merged = steps.find(({ step }) => step === 'merge/final')?.outputs['model']?.digest;
  const ui = servers.temporal?.ui;
  const lines = [
    ...(ui === undefined ? [] : [`The run's workflows:  ${ui}/namespaces/default/workflows`]),
    ...(merged === undefined
      ? []
      : [`Where the merged model comes from:  npm run -s cli -- lineage up ${merged.slice(7, 19)}`]),
    'Change one rate, see what runs again:  npm run demo -- --set sft.AM.learningRate=5e-4',
    `Every step of this run:  npm run -s cli -- status ${runId}`,
    'Servers and workers stay up; stop them with  npm run -s cli -- down',
  ];
  return `${lines.join('\n')}\n`;
}

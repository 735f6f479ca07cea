import type { Progress } from '../../schemas/progress.ts';
import type { RunProgress, StepState } from '../../schemas/step.ts';

const short = (digest: string): string => digest.slice('sha256:'.length, 'sha256:'.length + 12);

const value = (json: unknown): string => {
  const text = typeof json === 'string' ? json : JSON.stringify(json);
  return text === undefined || text.length <= 40 ? (text ?? 'absent') : `${text.slice(0, 37)}…`;
};

/** Why a step ran, in a few words: the first field that differs, with both values. */
function why({ reason }: StepState): string {
  if (!reason) return '';
  const [change] = reason.changes;
  if (!change) return reason.kind;
  const more = reason.changes.length > 1 ? ` and ${reason.changes.length - 1} more` : '';
  return `${reason.kind}: ${change.path} ${value(change.before)} → ${value(change.after)}${more}`;
}

/** One line for a step that came to rest. */
export function doneLine(state: StepState): string {
  const mark = { hit: 'from the store', joined: 'joined', computed: 'computed' }[state.verdict ?? 'computed'];
  const made = Object.values(state.outputs)[0];
  if (state.state === 'failed') return `${state.step.padEnd(18)} FAILED  ${state.error ?? ''}`;
  const reason = state.verdict === 'computed' ? why(state) : '';
  return `${state.step.padEnd(18)} ${mark.padEnd(14)} ${made ? short(made.digest) : ''}  ${reason}`.trimEnd();
}

const figure = (name: string, number: number): string =>
  `${name} ${Math.abs(number) >= 100 ? number.toFixed(0) : number.toPrecision(3)}`;

/** How far a running step is, in a few words. */
export function progressText({ done, total, unit, figures }: Progress): string {
  const share = total > 0 ? `${done}/${total} ${unit}` : unit;
  const shown = Object.entries(figures)
    .slice(0, 3)
    .map(([name, number]) => figure(name, number));
  return [share, ...shown].join(', ');
}

/** The steps that run now, on one line. */
export const runningLine = (progress: RunProgress): string =>
  progress.steps
    .filter(({ state }) => state === 'running')
    .map(({ step, progress: latest }) => (latest ? `${step} ${progressText(latest)}` : step))
    .join(' · ') +
  (progress.review ? ` · review: ${progress.review.undecided} traces wait for a decision` : '');

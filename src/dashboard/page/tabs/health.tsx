import { dayTime, since } from '../format.tsx';
import { Badge, Command, Empty, type Tone, Waiting } from '../parts.tsx';
import type { Known } from '../stream.tsx';

const TONES: Readonly<Record<string, Tone>> = { critical: 'bad', warning: 'warn', info: 'plain' };

/** What is wrong, and what to type. */
export function HealthTab({ known }: { readonly known: Known }) {
  const { health } = known;
  if (!health) return <Waiting />;
  const { score, status, problems, checks, lookedAt } = health;
  return (
    <>
      <p class="score">
        <span class="number">{score}</span> of 100, <Badge tone={TONES[status] ?? 'good'}>{status}</Badge>
      </p>
      {problems.length === 0 && (
        <Empty title={lookedAt === null ? 'Not looked yet' : 'Nothing is wrong'}>
          <p>{checks.length} checks are made every few seconds; none of them costs GPU time.</p>
        </Empty>
      )}
      <ul class="plain problems">
        {problems.map((problem) => (
          <li class="card" key={problem.id}>
            <header>
              <h2>{problem.title}</h2>
              <Badge tone={TONES[problem.severity] ?? 'plain'}>{problem.severity}</Badge>
            </header>
            <p>{problem.seen}</p>
            <p class="muted">{problem.remedy.on === null ? 'Type here:' : `Type on ${problem.remedy.on}:`}</p>
            <Command text={problem.remedy.command} />
            <p class="muted">
              Since {dayTime(Date.parse(problem.since))} ({since(problem.since)}). Resolved when{' '}
              {problem.resolvedWhen}. Check: {problem.check}
            </p>
          </li>
        ))}
      </ul>
    </>
  );
}

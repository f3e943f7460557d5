import { bytes } from '../format.tsx';
import { useJson } from '../hooks.tsx';
import { Badge, Command, Empty, Failure, Waiting } from '../parts.tsx';

interface Row {
  readonly id: string;
  readonly kind: string;
  readonly title: string;
  readonly why: string;
  readonly remedy: { readonly command: string; readonly on: string | null };
  readonly frees?: number;
}

/** What would be better otherwise, though nothing is wrong. */
export function Advice() {
  const { data, error } = useJson<{ recommendations: readonly Row[] }>(
    '/dashboard/api/recommendations',
    5000,
  );
  return (
    <>
      <Failure error={error} />
      {!data && !error && <Waiting />}
      {data?.recommendations.length === 0 && (
        <Empty title="There is nothing to recommend">
          <p>
            What to keep loaded, copy, unload or remove is said here when some hours of use show it. Nothing
            is ever done without you.
          </p>
        </Empty>
      )}
      <ul class="plain problems">
        {data?.recommendations.map(({ id, kind, title, why, remedy, frees }) => (
          <li class="card" key={id}>
            <header>
              <h2>{title}</h2>
              <Badge tone="plain">{kind}</Badge>
            </header>
            <p>
              {why}
              {frees !== undefined && frees > 0 && `; frees ${bytes(frees)}`}
            </p>
            <p class="muted">{remedy.on === null ? 'Type here:' : `Type on ${remedy.on}:`}</p>
            <Command text={remedy.command} />
          </li>
        ))}
      </ul>
    </>
  );
}

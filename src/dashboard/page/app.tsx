import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Orders } from './orders.tsx';
import { useStore } from './store.tsx';
import type { Known, Link, Stream } from './stream.tsx';
import { Advice } from './tabs/advice.tsx';
import { Apps } from './tabs/apps.tsx';
import { Benchmarks } from './tabs/benchmarks.tsx';
import { HealthTab } from './tabs/health.tsx';
import { Logs } from './tabs/logs.tsx';
import { Models } from './tabs/models.tsx';
import { Overview } from './tabs/overview.tsx';
import { Settings } from './tabs/settings.tsx';
import { Trends } from './tabs/trends.tsx';
import { ThemeSwitch } from './theme.tsx';

/** A tab's name in the address, its title, and what it shows. */
const TABS = [
  { id: 'fleet', title: 'Fleet Overview', Tab: Overview },
  { id: 'trends', title: 'Trends', Tab: Trends },
  { id: 'models', title: 'Model Insights', Tab: Models },
  { id: 'apps', title: 'Apps', Tab: Apps },
  { id: 'benchmarks', title: 'Benchmarks', Tab: Benchmarks },
  { id: 'health', title: 'Health', Tab: HealthTab },
  { id: 'recommendations', title: 'Recommendations', Tab: Advice },
  { id: 'settings', title: 'Settings', Tab: Settings },
  { id: 'logs', title: 'Logs', Tab: Logs },
] as const;

const LINKS: Readonly<Record<Link, string>> = {
  connecting: 'connecting…',
  live: 'live',
  lost: 'connection lost, trying again…',
};

const idInAddress = () => location.hash.replace(/^#\/?/, '');

interface AppProps {
  readonly stream: Stream;
  readonly orders: Orders;
}

/** The page: tabs above, one of them below. */
export function App({ stream, orders }: AppProps) {
  const { known, link } = useStore(stream);
  const [id, setId] = useState(idInAddress);
  const title = useRef<HTMLHeadingElement>(null);
  useLayoutEffect(() => {
    const changed = () => setId(idInAddress());
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  const tab = TABS.find((one) => one.id === id) ?? TABS[0];
  const name = known.daemon?.name;
  // Together with the heading, not a frame later: who listens would be told the tab that was left.
  useLayoutEffect(() => {
    document.title = `${tab.title} · ${name ?? 'ollana'}`;
  }, [tab, name]);
  const focused = useRef(id);
  useLayoutEffect(() => {
    if (focused.current === id) return;
    focused.current = id;
    title.current?.focus();
  }, [id]);
  return (
    <>
      <button type="button" class="skip" onClick={() => title.current?.focus()}>
        Skip to the content
      </button>
      <header class="top">
        <div class="who">
          <strong>ollana</strong>
          <span class="muted">{known.daemon && `${known.daemon.name} · ${known.daemon.version}`}</span>
          <span class={`link ${link}`} role="status">
            {LINKS[link]}
          </span>
          <ThemeSwitch />
        </div>
        <nav aria-label="Views">
          <ul>
            {TABS.map((one) => (
              <li key={one.id}>
                <a href={`#/${one.id}`} aria-current={one === tab ? 'page' : undefined}>
                  {one.title}
                  <Problems id={one.id} known={known} />
                </a>
              </li>
            ))}
          </ul>
        </nav>
      </header>
      <main id="main">
        <h1 ref={title} tabIndex={-1}>
          {tab.title}
        </h1>
        <tab.Tab known={known} orders={orders} />
      </main>
      <Announcer known={known} />
    </>
  );
}

function Problems({ id, known }: { readonly id: string; readonly known: Known }) {
  const problems = known.health?.problems.length ?? 0;
  return id === 'health' && problems > 0 ? <span class="count">{problems}</span> : null;
}

/** Says to those who listen what those who look see change: a server's verdict. */
function Announcer({ known }: { readonly known: Known }) {
  const before = useRef<ReadonlyMap<string, string>>(new Map());
  const [said, setSaid] = useState('');
  useEffect(() => {
    const now = new Map<string, string>();
    for (const [key, value] of Object.entries(known))
      if (key.startsWith('server:') && value && 'verdict' in value) now.set(value.name, value.verdict);
    const changed = [...now].filter(([name, verdict]) => (before.current.get(name) ?? verdict) !== verdict);
    before.current = now;
    if (changed.length > 0) setSaid(changed.map(([name, verdict]) => `${name} is ${verdict}`).join(', '));
  }, [known]);
  return (
    <div class="hidden" aria-live="polite">
      {said}
    </div>
  );
}

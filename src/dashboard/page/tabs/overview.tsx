import { Spark } from '../chart.tsx';
import { count, NONE } from '../format.tsx';
import { type Shown, serversIn } from '../hooks.tsx';
import type { Orders } from '../orders.tsx';
import { Command, Empty, Tile, Waiting } from '../parts.tsx';
import type { Known } from '../stream.tsx';
import { Examples } from './examples.tsx';
import { Recent } from './recent.tsx';
import { ServerCard } from './server-card.tsx';

/** The whole at a glance. */
export function Overview({ known, orders }: { readonly known: Known; readonly orders: Orders }) {
  const { daemon, pulse } = known;
  if (!daemon) return <Waiting />;
  const servers = serversIn(known);
  return (
    <>
      <Tiles known={known} servers={servers} />
      {pulse && (
        <div class="sparks">
          <Spark label="Requests in the last five minutes" values={pulse.requests} />
          <p class="muted">
            {count(sum(pulse.requests))} requests, {count(sum(pulse.tokens))} tokens,{' '}
            {count(sum(pulse.failed))} failed in the last five minutes
          </p>
        </div>
      )}
      <h2>Servers</h2>
      {servers.length === 0 && (
        <Empty title="No server has been found">
          <p>On each machine with a GPU, next to its Ollama, run:</p>
          <Command text="ollana serve" />
          <p>It is found by itself. A plain Ollama elsewhere is named like this:</p>
          <Command text="ollana add http://192.168.1.20:11434" />
        </Empty>
      )}
      <div class="cards">
        {servers.map((one) => (
          <ServerCard key={one.server.url} {...one} orders={orders} />
        ))}
      </div>
      <h2>Requests that ended just now</h2>
      <Recent requests={known.recent ?? []} />
      <h2>Use it</h2>
      <Examples url={daemon.url} />
    </>
  );
}

function Tiles({ known, servers }: { readonly known: Known; readonly servers: readonly Shown[] }) {
  const up = servers.filter(({ server }) => server.verdict === 'reliable').length;
  const told = servers.flatMap(({ load }) => (load?.queued === null || !load ? [] : [load.queued]));
  const loaded = servers.reduce((all, { server }) => all + server.loaded.length, 0);
  const { health } = known;
  return (
    <dl class="tiles">
      <Tile name="Servers" value={`${up} of ${servers.length}`} note="reliable" />
      <Tile
        name="Running"
        value={count(sum(servers.map(({ load }) => load?.inFlight ?? 0)))}
        note="requests"
      />
      <Tile name="Queued" value={told.length === 0 ? NONE : count(sum(told))} note="requests" />
      <Tile name="In memory" value={count(loaded)} note={loaded === 1 ? 'model' : 'models'} />
      <Tile
        name="Health"
        value={health ? `${health.score}` : NONE}
        {...(health && { note: health.status })}
      />
    </dl>
  );
}

const sum = (values: readonly number[]): number => values.reduce((all, one) => all + one, 0);

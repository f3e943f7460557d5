import type { ServerView } from '../../view.ts';
import { bytes, count, duration, NONE, percent, rate, since } from '../format.tsx';
import type { Shown } from '../hooks.tsx';
import type { Orders } from '../orders.tsx';
import { Badge, type Tone } from '../parts.tsx';
import { useStore } from '../store.tsx';
import { Unload, undone } from './held-models.tsx';

const TONES: Readonly<Record<ServerView['verdict'], Tone>> = {
  reliable: 'good',
  'second-chance': 'warn',
  unreliable: 'bad',
};
const KINDS: Readonly<Record<ServerView['kind'], string>> = {
  ollana: 'ollana',
  ollama: 'plain Ollama',
  local: 'this machine',
};

/** A server, what it is and what it does. */
export function ServerCard({ server, load, orders }: Shown & { readonly orders: Orders }) {
  useStore(orders);
  const { name, url, verdict, reason, loaded } = server;
  return (
    <article class="card" aria-label={name}>
      <header>
        <h3>{name}</h3>
        <Badge tone={TONES[verdict]}>{verdict}</Badge>
      </header>
      <p class="muted url">
        {url} · {KINDS[server.kind]} · {since(server.since)}
      </p>
      {reason !== null && <p class={`reason ${TONES[verdict]}`}>{reason}</p>}
      <dl class="facts">
        <Fact name="Running" value={count(load?.inFlight)} />
        <Fact name="Queued" value={count(load?.queued)} />
        <Fact name="Models" value={count(server.models)} />
        <Fact name="Round trip" value={duration(load?.latencyMs)} />
        <Fact name="Ollama" value={server.version ?? NONE} />
        <Machine server={server} />
      </dl>
      <Busy load={load} />
      <h4>In memory</h4>
      {loaded.length === 0 ? (
        <p class="muted">nothing</p>
      ) : (
        <ul class="plain">
          {loaded.map((model) => (
            <li key={model.name}>
              <span class="name">{model.name}</span>
              <span class="muted">
                {bytes(model.sizeVram)} in GPU memory, context {count(model.contextLength)}
              </span>{' '}
              <Unload holder={server} model={model.name} orders={orders} />
              {undone({ holder: server, model: model.name, orders })}
            </li>
          ))}
        </ul>
      )}
    </article>
  );
}

function Fact({ name, value }: { readonly name: string; readonly value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function Machine({ server: { machine } }: { readonly server: ServerView }) {
  if (!machine) return null;
  const { cpu, memory, disk, gpus, link } = machine;
  const free = (room: typeof memory) =>
    room ? `${bytes(room.freeBytes)} of ${bytes(room.totalBytes)}` : NONE;
  return (
    <>
      <Fact name="CPU" value={percent(cpu.load)} />
      <Fact name="Memory free" value={free(memory)} />
      <Fact name="Disk free" value={free(disk)} />
      {link && link.mbps !== null && <Fact name="Link" value={`${count(link.mbps)} Mbit/s`} />}
      {gpus.map((gpu, at) => (
        <div class="wide" key={at}>
          <dt>{gpu.name ?? 'GPU'}</dt>
          <dd>
            {bytes(gpu.freeBytes)} of {bytes(gpu.totalBytes)} free, {percent(gpu.load)} busy
            {gpu.temperatureC !== null && `, ${gpu.temperatureC} °C`}
            {gpu.powerW !== null && `, ${Math.round(gpu.powerW)} W`}
          </dd>
        </div>
      ))}
    </>
  );
}

function Busy({ load }: { readonly load: Shown['load'] }) {
  if (!load || load.busy.length === 0) return null;
  return (
    <>
      <h4>Work and speed</h4>
      <ul class="plain">
        {load.busy.map((row) => (
          <li key={row.model}>
            <span class="name">{row.model}</span>
            <span class="muted">
              {row.loading ? 'loading, ' : ''}
              {row.active} of {row.slots} running, {row.queued} queued
              {row.decodePerS !== null && `, writes ${rate(row.decodePerS)}`}
              {row.prefillPerS !== null && `, reads ${rate(row.prefillPerS)}`}
            </span>
          </li>
        ))}
      </ul>
    </>
  );
}

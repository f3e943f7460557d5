import { useState } from 'preact/hooks';
import { bytes } from '../format.tsx';
import type { Shown } from '../hooks.tsx';
import type { Orders } from '../orders.tsx';
import { Failure } from '../parts.tsx';
import type { Pull } from '../pulling.tsx';
import { Refusal } from '../refusal.tsx';

interface PullFormProps {
  readonly orders: Orders;
  readonly servers: readonly Shown[];
}

/** Where a model is named that is to be fetched, and how far those have come that were. */
export function PullForm({ orders, servers }: PullFormProps) {
  const [model, setModel] = useState('');
  const [url, setUrl] = useState('');
  const [error, setError] = useState<string>();
  const submit = (event: Event) => {
    event.preventDefault();
    const name = model.trim();
    if (name === '') return setError('Name a model, such as llama3.2');
    const refused = orders.pull(name, servers.find(({ server }) => server.url === url)?.server);
    setError(refused);
    if (refused === undefined) setModel('');
  };
  return (
    <form class="card" onSubmit={submit} aria-label="Pull a model" noValidate>
      <div class="acts">
        <label class="field">
          <span>Model</span>
          <input
            value={model}
            placeholder="llama3.2"
            autocomplete="off"
            autocapitalize="off"
            spellcheck={false}
            aria-invalid={error === undefined ? undefined : true}
            onInput={({ currentTarget }) => setModel(currentTarget.value)}
          />
        </label>
        <label class="field">
          <span>Server</span>
          <select value={url} onChange={({ currentTarget }) => setUrl(currentTarget.value)}>
            <option value="">where most memory is free</option>
            {servers.map(({ server }) => (
              <option key={server.url} value={server.url}>
                {server.name}
              </option>
            ))}
          </select>
        </label>
        <button type="submit">Pull</button>
      </div>
      <Failure error={error} />
      <ul class="plain">
        {orders.pulls.map((pull) => (
          <PullRow key={pull.id} pull={pull} cancel={() => orders.cancel(pull.id)} />
        ))}
      </ul>
    </form>
  );
}

function PullRow({ pull, cancel }: { readonly pull: Pull; readonly cancel: () => void }) {
  const { model, where, progress } = pull;
  const { state, status, total, completed } = progress;
  const what = `${model} to ${where}`;
  if (state === 'failed')
    return (
      <li>
        <Refusal what={`Not pulled: ${what}`} error={status} />
      </li>
    );
  if (state === 'done') return <li class="good">Pulled {what}</li>;
  return (
    <li class="pull">
      <span class="name">{what}</span>
      <div class="acts">
        {/* Without a value it shows that something is going on. */}
        <progress aria-label={`Pulling ${what}`} max={1} {...(total > 0 && { value: completed / total })} />
        <span class="muted">
          {total > 0 && `${Math.floor((100 * completed) / total)} % of ${bytes(total)}, `}
          {status}
        </span>
        <button type="button" onClick={cancel} aria-label={`Cancel ${what}`}>
          Cancel
        </button>
      </div>
      <p class="muted">It ends when this page is closed.</p>
    </li>
  );
}

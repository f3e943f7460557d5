import { useState } from 'preact/hooks';
import type { BenchmarkPlan } from '../../../observe/benchmark/run.ts';
import { duration } from '../format.tsx';
import { serversIn, useJson } from '../hooks.tsx';
import { Failure } from '../parts.tsx';
import { getJson, sendJson } from '../send.tsx';
import type { Known } from '../stream.tsx';
import { Confirm } from './confirm.tsx';

const URL_PATH = '/dashboard/api/benchmarks';

interface StartProps {
  readonly known: Known;
  /** Another one is under way. */
  readonly busy: boolean;
  readonly onStarted: () => void;
}

/** What to measure, and the question whether the GPU time may be used: nothing is run before it is answered. */
export function BenchmarkStart({ known, busy, onStarted }: StartProps) {
  const { data } = useJson<{ models: readonly { name: string }[] }>('/ollana/api/models', 10_000);
  const [model, setModel] = useState('');
  const [server, setServer] = useState('');
  const [plan, setPlan] = useState<BenchmarkPlan>();
  const [error, setError] = useState<string>();
  const attempt = async (work: () => Promise<void>) => {
    setError(undefined);
    await work().catch((failure: Error) => setError(failure.message));
  };
  const ask = () =>
    attempt(async () => {
      const query = new URLSearchParams({ ...(model && { model }), ...(server && { server }) });
      setPlan(await getJson<BenchmarkPlan>(`${URL_PATH}/plan?${query}`));
    });
  const start = () =>
    attempt(async () => {
      setPlan(undefined);
      // What was agreed to, and no server that has come since.
      const servers = [...new Set(plan?.targets.map(({ deviceId }) => deviceId))];
      await sendJson('POST', URL_PATH, { models: model ? [model] : [], servers });
      onStarted();
    });
  return (
    <>
      <div class="filter">
        <Choice
          title="Model"
          all="all that can chat"
          names={(data?.models ?? []).map(({ name }) => name)}
          value={model}
          change={setModel}
        />
        <Choice
          title="Server"
          all="all"
          names={serversIn(known).map(({ server: one }) => one.name)}
          value={server}
          change={setServer}
        />
      </div>
      <button type="button" onClick={ask} disabled={busy}>
        Run a benchmark…
      </button>
      <Failure error={error} />
      {plan && <Question plan={plan} yes={start} no={() => setPlan(undefined)} />}
    </>
  );
}

interface ChoiceProps {
  readonly title: string;
  readonly all: string;
  readonly names: readonly string[];
  readonly value: string;
  readonly change: (value: string) => void;
}

function Choice({ title, all, names, value, change }: ChoiceProps) {
  return (
    <label class="field">
      <span>{title}</span>
      <select value={value} onChange={({ currentTarget }) => change(currentTarget.value)}>
        <option value="">{all}</option>
        {[...new Set(names)].map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}

interface QuestionProps {
  readonly plan: BenchmarkPlan;
  readonly yes: () => void;
  readonly no: () => void;
}

/** Before any GPU is used. */
function Question({ plan, yes, no }: QuestionProps) {
  const { targets, servers, loads, gpuMs, tookMs } = plan;
  return (
    <Confirm title="Use the GPUs for a benchmark?" act="Start" onAct={yes} keep="Not now" onClose={no}>
      <p>
        It uses about {duration(gpuMs)} of GPU time for {targets.length}{' '}
        {targets.length === 1 ? 'model' : 'models'} at {servers} {servers === 1 ? 'server' : 'servers'}, and
        takes about {duration(tookMs)}. Other requests are slower meanwhile.
      </p>
      {loads > 0 && (
        <p>
          {loads === 1 ? 'One has' : `${loads} have`} to be loaded, which may push models out of memory that
          are in use.
        </p>
      )}
    </Confirm>
  );
}

import { useState } from 'preact/hooks';
import type { SettingView } from '../../view.ts';
import { KeyField } from '../key-field.tsx';
import { Failure } from '../parts.tsx';
import { messageOf, Refused, send } from '../send.tsx';
import { SettingField } from './setting-field.tsx';
import { type Draft, draftOf, meantBy } from './setting-value.tsx';

interface Saved {
  readonly option: string;
  readonly text: string;
}

/** What came of the last try to save. */
interface Outcome {
  readonly saved: readonly Saved[];
  readonly errors: ReadonlyMap<string, string>;
  /** What is wrong with no single field. */
  readonly failure: string | undefined;
  readonly note: string;
}

const NOTHING: Outcome = { saved: [], errors: new Map(), failure: undefined, note: '' };

interface SettingsFormProps {
  /** Those that can be changed while ollana runs. */
  readonly settings: readonly SettingView[];
  /** Something has been saved. */
  readonly onSaved: () => void;
}

/** A field for each setting, and one button that saves all that were changed. */
export function SettingsForm({ settings, onSaved }: SettingsFormProps) {
  const [drafts, setDrafts] = useState<Readonly<Record<string, Draft>>>({});
  const [outcome, setOutcome] = useState(NOTHING);
  const [busy, setBusy] = useState(false);
  const [key, setKey] = useState('');
  const [asksKey, setAsksKey] = useState(false);
  const isOther = (one: SettingView) => {
    const draft = drafts[one.option];
    return draft !== undefined && JSON.stringify(draft) !== JSON.stringify(draftOf(one));
  };
  const save = async (values: Readonly<Record<string, unknown>>) => {
    if (Object.keys(values).length === 0) return setOutcome({ ...NOTHING, note: 'Nothing has been changed' });
    setBusy(true);
    try {
      const answer = await send({ method: 'POST', url: '/dashboard/api/settings', body: values, key });
      const { settings: saved } = (await answer.json()) as { settings: readonly Saved[] };
      setDrafts((all) => Object.fromEntries(Object.entries(all).filter(([name]) => !(name in values))));
      setOutcome({ ...NOTHING, saved });
    } catch (error) {
      const errors = errorsIn(error);
      if (error instanceof Refused && error.status === 401) setAsksKey(true);
      setOutcome({
        ...NOTHING,
        errors,
        failure: errors.size > 0 ? undefined : messageOf(error),
        note: errors.size > 0 ? 'Nothing has been saved' : '',
      });
    } finally {
      setBusy(false);
      onSaved();
    }
  };
  const changed = settings.filter(isOther);
  const submit = (event: Event) => {
    event.preventDefault();
    const meant = changed.map((one) => [one.option, meantBy(drafts[one.option] ?? '', one)] as const);
    void save(Object.fromEntries(meant));
  };
  return (
    <form onSubmit={submit} noValidate aria-label="Settings that can be changed now" class="card settings">
      {settings.map((one) => (
        <SettingField
          key={one.option}
          setting={one}
          draft={drafts[one.option] ?? draftOf(one)}
          change={(draft) => setDrafts((all) => ({ ...all, [one.option]: draft }))}
          error={outcome.errors.get(one.option)}
          takeBack={() => void save({ [one.option]: null })}
        />
      ))}
      {asksKey && <KeyField value={key} change={setKey} />}
      <Failure error={outcome.failure} />
      <p class="acts">
        <button type="submit" disabled={busy}>
          {changed.length > 0 ? `Save ${changed.map(({ option }) => option).join(', ')}` : 'Save'}
        </button>
        <span role="status">
          {outcome.note}
          {outcome.saved.map(({ option, text }) => (
            <span class="value" key={option}>
              {option}: {text}
            </span>
          ))}
        </span>
      </p>
    </form>
  );
}

/** What is wrong with which field. */
function errorsIn(error: unknown): ReadonlyMap<string, string> {
  const list = error instanceof Refused ? error.said.errors : undefined;
  if (!Array.isArray(list)) return new Map();
  const rows = list as readonly { readonly option?: unknown; readonly allowed?: unknown }[];
  return new Map(rows.map(({ option, allowed }) => [String(option), String(allowed)]));
}

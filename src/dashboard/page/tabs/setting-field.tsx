import type { SettingView } from '../../view.ts';
import { Badge } from '../parts.tsx';
import type { Draft } from './setting-value.tsx';

export interface SettingFieldProps {
  readonly setting: SettingView;
  readonly draft: Draft;
  readonly change: (draft: Draft) => void;
  /** Why the last try to save was refused. */
  readonly error: string | undefined;
  /** Has what the file says forgotten. */
  readonly takeBack: () => void;
}

/** One option that can be changed while ollana runs. */
export function SettingField(props: SettingFieldProps) {
  const { setting, error, takeBack } = props;
  const { option, by, source, help } = setting;
  const id = `set-${option}`;
  return (
    <div class="setting">
      <div class="setting-head">
        {setting.kind === 'list' && setting.choices ? (
          <span id={`${id}-name`}>{option}</span>
        ) : (
          <label for={id}>{option}</label>
        )}
        <Badge tone={by === 'default' ? 'plain' : 'good'}>{source}</Badge>
        {by === 'file' && (
          <button type="button" onClick={takeBack} aria-label={`Take back ${option}`}>
            Take back
          </button>
        )}
      </div>
      <Control {...props} id={id} />
      <p class="muted help" id={`${id}-help`}>
        {help}
        {(by === 'flag' || by === 'variable') &&
          `. ${source} decides: what is saved counts when ollana is started without it`}
      </p>
      <p class="bad" id={`${id}-error`} role="alert">
        {error}
      </p>
    </div>
  );
}

function Control({ setting, draft, change, error, id }: SettingFieldProps & { readonly id: string }) {
  const { kind, unit, choices, hint } = setting;
  const common = {
    id,
    'aria-describedby': `${id}-help ${id}-error`,
    'aria-invalid': error === undefined ? undefined : true,
  } as const;
  if (kind === 'switch')
    return (
      <input
        {...common}
        type="checkbox"
        checked={draft === true}
        onChange={({ currentTarget }) => change(currentTarget.checked)}
      />
    );
  if (kind === 'list' && choices) {
    const ticked = typeof draft === 'object' ? draft : [];
    return (
      // biome-ignore lint/a11y/useSemanticElements: a fieldset has a border and a legend of its own kind
      <div role="group" aria-labelledby={`${id}-name`} aria-describedby={`${id}-help ${id}-error`}>
        {choices.map((word) => (
          <label key={word}>
            <input
              type="checkbox"
              checked={ticked.includes(word)}
              onChange={({ currentTarget }) =>
                change(choices.filter((one) => (one === word ? currentTarget.checked : ticked.includes(one))))
              }
            />{' '}
            {word}
          </label>
        ))}
      </div>
    );
  }
  const text = String(draft);
  if (kind === 'list')
    return (
      <textarea
        {...common}
        rows={Math.min(8, text.split('\n').length + 1)}
        placeholder={`${hint ?? ''}, one a line`}
        spellcheck={false}
        value={text}
        onInput={({ currentTarget }) => change(currentTarget.value)}
      />
    );
  return (
    <span class="with-unit">
      <input
        {...common}
        type={unit === 'ms' ? 'number' : 'text'}
        min={unit === 'ms' ? 0 : undefined}
        step="any"
        list={choices ? `${id}-words` : undefined}
        value={text}
        onInput={({ currentTarget }) => change(currentTarget.value)}
      />
      {unit === 'ms' && <span>seconds</span>}
      {choices && (
        <datalist id={`${id}-words`}>
          {choices.map((word) => (
            <option key={word} value={word} />
          ))}
        </datalist>
      )}
    </span>
  );
}

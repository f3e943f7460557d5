interface KeyFieldProps {
  readonly value: string;
  readonly change: (key: string) => void;
}

/** Where an API key is typed that ollana asks for; it is kept nowhere. */
export function KeyField({ value, change }: KeyFieldProps) {
  return (
    <label class="field">
      <span>API key of this ollana</span>
      <input
        type="password"
        autocomplete="off"
        value={value}
        onInput={({ currentTarget }) => change(currentTarget.value)}
      />
      <span class="muted">
        <code>ollana key add NAME</code> makes one
      </span>
    </label>
  );
}

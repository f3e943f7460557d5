/** Fills `@NAME@` in a text of packaging/. Throws when a name has no value, as the package would be broken. */
export function render(text, values) {
  return text.replace(/@([A-Z0-9_]+)@/g, (_, name) => {
    if (values[name] === undefined) throw new Error(`packaging: nothing is known for @${name}@`);
    return values[name];
  });
}

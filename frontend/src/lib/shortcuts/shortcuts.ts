/** Shortcuts as data: one table feeds the handler, the tooltips, `aria-keyshortcuts` and the help. */

export interface Shortcut {
  id: string;
  /** As printed on the key: a digit, a capital letter, `?`; or as the browser calls it: `Enter`, `ArrowUp`. */
  keyName: string;
  /** A second way that editors have taught: `Control+Z`. */
  alias?: 'Control+Z';
  /** What it does, in words. */
  label: string;
  perform: () => void;
  isEnabled?: boolean;
}

type KeyPress = Pick<
  KeyboardEvent,
  'key' | 'code' | 'ctrlKey' | 'altKey' | 'metaKey' | 'shiftKey' | 'repeat' | 'isComposing' | 'defaultPrevented' | 'target'
>;

// Keys mean something of their own in these.
const TYPING = [
  'input:not([type=button], [type=checkbox], [type=radio], [type=submit], [type=reset])',
  'textarea',
  'select',
  '[contenteditable]:not([contenteditable=false])',
  '[role=textbox]',
  '[role=searchbox]',
  '[role=combobox]',
  '[role=listbox]',
  '[role=menu]',
].join(',');
const NAMED: Record<string, string> = { Enter: '↵', ArrowUp: '↑', ArrowDown: '↓' };
// Enter presses these, and arrows scroll those.
const PRESSED = 'button, a[href], summary, [role=button], input';
const SCROLLED = '[role=region][tabindex="0"], pre[tabindex="0"], [role=radiogroup], [role=slider]';
const DIALOG = '[aria-modal=true], dialog[open]';

/** The printed name of the pressed key, or null where a modifier or the layout makes it something else. */
export function keyNameOf(press: KeyPress): string | null {
  if (press.ctrlKey || press.altKey || press.metaKey) return null;
  const character = press.key.toUpperCase();
  const isLatin = character.length === 1 && character <= '~';
  if (/^[A-Z]$/.test(character)) return press.shiftKey ? null : character;
  if (/^\d$/.test(character)) return character;
  // Layouts whose digits need shift (French), and alphabets other than Latin: by where the key lies.
  const [, place] = /^(?:Digit|Key)([0-9A-Z])$/.exec(press.code) ?? [];
  if (place && !press.shiftKey && (/^\d$/.test(place) || !isLatin)) return place;
  return character.length === 1 ? character : null;
}

/** The name of a key that prints nothing, where it does not press or scroll what has the focus. */
function namedKeyOf(press: KeyPress): string | null {
  if (!(press.key in NAMED) || press.ctrlKey || press.altKey || press.metaKey || press.shiftKey) return null;
  const taken = press.key === 'Enter' ? PRESSED : SCROLLED;
  return press.target instanceof Element && press.target.closest(taken) ? null : press.key;
}

/** The key as people know it, for tooltips and the help. */
export function printed({ keyName }: Pick<Shortcut, 'keyName'>): string {
  return NAMED[keyName] ?? keyName;
}

/** `Control+Z`, or with the command key on a Mac. */
function aliasOf(press: KeyPress): Shortcut['alias'] | null {
  const isUndo = (press.ctrlKey || press.metaKey) && !press.altKey && !press.shiftKey && press.key.toUpperCase() === 'Z';
  return isUndo ? 'Control+Z' : null;
}

/** What goes into `aria-keyshortcuts`. */
export function ariaKeys({ keyName, alias }: Pick<Shortcut, 'keyName' | 'alias'>): string {
  return alias ? `${keyName} ${alias}` : keyName;
}

/** Whether this key press is for somebody else: a text field, a menu, an open dialog, a held key. */
export function isForOthers(press: KeyPress): boolean {
  if (press.defaultPrevented || press.repeat || press.isComposing) return true;
  if (press.target instanceof Element && press.target.closest(TYPING)) return true;
  return document.querySelector(DIALOG) !== null;
}

/** The one enabled shortcut that this key press means. Where two would match there is none. */
export function shortcutFor(press: KeyPress, table: readonly Shortcut[]): Shortcut | null {
  if (isForOthers(press)) return null;
  const name = keyNameOf(press) ?? namedKeyOf(press);
  const alias = aliasOf(press);
  const matches = table.filter(
    (shortcut) => shortcut.isEnabled !== false && (alias ? shortcut.alias === alias : shortcut.keyName === name),
  );
  return matches.length === 1 ? (matches[0] ?? null) : null;
}

/** The shortcut of a table by its id; for tooltips and labels. */
export function byId(table: readonly Shortcut[], id: string): Shortcut {
  const found = table.find((shortcut) => shortcut.id === id);
  if (!found) throw new Error(`No shortcut ${id}`);
  return found;
}

import { afterEach, describe, expect, it, vi } from 'vitest';
import { byId, keyNameOf, printed, shortcutFor, type Shortcut } from './shortcuts';

const entry = (keyName: string, isEnabled = true): Shortcut => ({
  id: keyName,
  keyName,
  label: keyName,
  perform: vi.fn(),
  isEnabled,
});
const TABLE = [entry('1'), entry('S'), entry('?')];

function press(key: string, more: KeyboardEventInit = {}, target: Element = document.body): KeyboardEvent {
  const event = new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true, ...more });
  target.dispatchEvent(event);
  return event;
}

function inPage(html: string): Element {
  document.body.innerHTML = html;
  const first = document.body.firstElementChild;
  if (!first) throw new Error('nothing there');
  return first;
}

afterEach(() => {
  document.body.innerHTML = '';
});

describe('shortcutFor', () => {
  it.each([['1', '1'], ['s', 'S'], ['?', '?']])('finds %s', (key, id) => {
    expect(shortcutFor(press(key), TABLE)?.id).toBe(id);
  });

  it('finds nothing for another key', () => {
    expect(shortcutFor(press('x'), TABLE)).toBeNull();
  });

  it('does nothing where two match', () => {
    expect(shortcutFor(press('1'), [...TABLE, { ...entry('1'), id: 'other' }])).toBeNull();
  });

  it.each([['ctrlKey'], ['metaKey']])('finds an alias with %s', (modifier) => {
    const undo: Shortcut = { ...entry('Z'), alias: 'Control+Z' };
    expect(shortcutFor(press('z', { [modifier]: true }), [...TABLE, undo])?.id).toBe('Z');
    expect(shortcutFor(press('z'), [...TABLE, undo])?.id).toBe('Z');
    expect(shortcutFor(press('z', { [modifier]: true, shiftKey: true }), [...TABLE, undo])).toBeNull();
    expect(shortcutFor(press('z', { [modifier]: true }), TABLE)).toBeNull();
  });

  it('leaves a disabled one out, also from the count', () => {
    expect(shortcutFor(press('1'), [entry('1', false)])).toBeNull();
    expect(shortcutFor(press('1'), [entry('1', false), { ...entry('1'), id: 'other' }])?.id).toBe('other');
  });

  it.each([['ctrlKey'], ['altKey'], ['metaKey'], ['repeat'], ['isComposing']])('ignores a key with %s', (modifier) => {
    expect(shortcutFor(press('s', { [modifier]: true }), TABLE)).toBeNull();
  });

  it('ignores a letter with shift, but not with caps lock', () => {
    expect(shortcutFor(press('S', { shiftKey: true }), TABLE)).toBeNull();
    expect(shortcutFor(press('S'), TABLE)?.id).toBe('S');
  });

  it.each([
    ['a text field', '<input>'],
    ['a long text field', '<textarea></textarea>'],
    ['a choice', '<select></select>'],
    ['editable text', '<div contenteditable="true"></div>'],
    ['a menu', '<div role="menu"></div>'],
  ])('leaves keys in %s alone', (_, html) => {
    expect(shortcutFor(press('1', {}, inPage(html)), TABLE)).toBeNull();
  });

  it.each([['a button', '<button></button>'], ['a checkbox', '<input type="checkbox">']])('works on %s', (_, html) => {
    expect(shortcutFor(press('1', {}, inPage(html)), TABLE)?.id).toBe('1');
  });

  it('does nothing while a dialog is open', () => {
    inPage('<section role="dialog" aria-modal="true"></section>');
    expect(shortcutFor(press('1'), TABLE)).toBeNull();
  });

  it('does nothing when somebody else has handled the key', () => {
    const event = press('1');
    event.preventDefault();
    expect(shortcutFor(event, TABLE)).toBeNull();
  });
});

describe('keys with a name', () => {
  const named = [entry('Enter'), entry('ArrowUp')];

  it.each([['Enter'], ['ArrowUp']])('finds %s', (key) => {
    expect(shortcutFor(press(key), named)?.id).toBe(key);
    expect(shortcutFor(press(key, { shiftKey: true }), named)).toBeNull();
  });

  it('leaves Enter to the button that has the focus, but not the arrows', () => {
    expect(shortcutFor(press('Enter', {}, inPage('<button></button>')), named)).toBeNull();
    expect(shortcutFor(press('ArrowUp', {}, inPage('<button></button>')), named)?.id).toBe('ArrowUp');
  });

  it('leaves the arrows to what scrolls, but not Enter', () => {
    expect(shortcutFor(press('ArrowUp', {}, inPage('<div role="region" tabindex="0"></div>')), named)).toBeNull();
    expect(shortcutFor(press('Enter', {}, inPage('<div role="region" tabindex="0"></div>')), named)?.id).toBe('Enter');
  });

  it('are shown as people know them', () => {
    expect([...named, entry('T')].map(printed)).toEqual(['↵', '↑', 'T']);
  });
});

describe('keyNameOf', () => {
  it.each([
    ['digits of a French keyboard, which need shift', { key: '&', code: 'Digit1' }, '1'],
    ['letters of a Russian keyboard', { key: 'ы', code: 'KeyS' }, 'S'],
    ['the number pad', { key: '4', code: 'Numpad4' }, '4'],
    ['? wherever it lies', { key: '?', code: 'Minus', shiftKey: true }, '?'],
    ['letters by what is printed, not by place', { key: 'z', code: 'KeyY' }, 'Z'],
    ['nothing for keys with a name', { key: 'Enter', code: 'Enter' }, null],
    ['! for shift and 1', { key: '!', code: 'Digit1', shiftKey: true }, '!'],
  ])('gives %s', (_, init, name) => {
    expect(keyNameOf(new KeyboardEvent('keydown', init))).toBe(name);
  });
});

it('finds an entry by its id', () => {
  expect(byId(TABLE, 'S').keyName).toBe('S');
  expect(() => byId(TABLE, 'none')).toThrow('none');
});

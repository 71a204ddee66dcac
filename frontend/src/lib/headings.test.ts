import { expect, it } from 'vitest';
import { headingsOf } from './headings';

it('finds the headings of a text, not those in code', () => {
  const text = ['# Helpful', '', 'Text # not one', '```sh', '# a comment', '```', '## Length ##', '~~~', '## code', '~~~', '#no', '## Length'];
  expect(headingsOf(text.join('\n'))).toEqual(['Helpful', 'Length']);
});

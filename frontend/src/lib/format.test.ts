import { expect, it } from 'vitest';
import { fileSize } from './format';

it('writes sizes as people read them', () => {
  expect([0, 900, 1536, 3 * 1024 ** 3].map(fileSize)).toEqual(['0\u00a0B', '900\u00a0B', '1.5\u00a0KiB', '3.0\u00a0GiB']);
});

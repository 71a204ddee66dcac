import { expect, it } from 'vitest';
import { jobAdvice } from './jobAdvice';

it('says what to do about every failure, also about one it does not know', () => {
  expect(jobAdvice('diverged')).toContain('learning rate');
  expect(jobAdvice('something_new')).toContain('retry');
});

import { describe, expect, it } from 'vitest';
import { actionWords, detailsOf, pageOf } from './words';

describe('what was done', () => {
  it('is in words, in the server’s where they are new', () => {
    expect(actionWords('member.excluded')).toBe('Ratings excluded');
    expect(actionWords('member.promoted', 'Member promoted')).toBe('Member promoted');
  });

  it('shows what a field was and became', () => {
    const details = { role: ['labeller', 'reviewer'], pay_per_hour: [null, '12.50'], n_examples: 3, ties: [false, true], note: '' };
    expect(detailsOf({ details })).toEqual([
      { name: 'role', before: 'labeller', after: 'reviewer' },
      { name: 'pay per hour', before: '–', after: '12.50' },
      { name: 'n examples', after: '3' },
      { name: 'ties', before: 'No', after: 'Yes' },
      { name: 'note', after: '–' },
    ]);
  });

  it('leads to what was changed, else to whom it is about', () => {
    expect(pageOf({ target: 'comparison', target_id: '7', subject: null })).toBe('comparisons/7');
    expect(pageOf({ target: 'membership', target_id: '7', subject: { id: 5, pseudonym: 'L-5' } })).toBe('labellers/5');
    expect(pageOf({ target: 'project', target_id: '7', subject: null })).toBeNull();
  });
});

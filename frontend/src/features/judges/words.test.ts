import { expect, it } from 'vitest';
import type { ConstitutionVersion, JudgeBrief } from '@/lib/api/types';
import { judgeName } from '@/lib/judges';
import { draftOf, reportOf, standing } from './words';

const JUDGE: JudgeBrief = {
  id: 1,
  name: 'endpoint:mine',
  model: 'judge-1',
  chain_of_thought: false,
  version: { id: 2, number: 3, name: 'House rules' },
  allowed_at: null,
};
const version = (number: number, published_at: string | null): ConstitutionVersion => ({
  id: number, number, note: '', published_at, created_at: '', principles: [],
});

it('names an endpoint with its model, and a model by its directory', () => {
  expect(judgeName(JUDGE)).toBe('mine · judge-1');
  expect(judgeName({ ...JUDGE, name: 'path:/models/a:b', model: '' })).toBe('/models/a:b');
});

it('tells the draft from the newest version that is published', () => {
  const versions = [version(3, null), version(2, '2026-01-02'), version(1, '2026-01-01')];
  expect(standing(versions).draft?.number).toBe(3);
  expect(standing(versions).published?.number).toBe(2);
  expect(standing([]).published).toBeUndefined();
});

it('sends principles that say something, with a weight', () => {
  const principles = [
    { key: 1, text: ' Prefer what is true. ', axis: '', weight: '' as const },
    { key: 2, text: '  ', axis: 'safety', weight: 2 },
  ];
  expect(draftOf(' why ', principles)).toEqual({ note: 'why', principles: [{ text: 'Prefer what is true.', axis: '', weight: 1 }] });
});

it('knows a judge that was not compared with people', () => {
  expect(reportOf({})).toBeNull();
});

import { expect, it } from 'vitest';
import { bulkRequest, type BulkForm } from './bulk';

const FORM: BulkForm = { source: 'file', file: null, url: '', set: null, version: '3', rowsPerShard: 500, maxBadPercent: 10 };
const OPTIONS = { version: 3, rows_per_shard: 500, max_bad_share: 0.1 };

it('asks for nothing while there is nothing to score', () => {
  expect(bulkRequest(FORM)).toBeNull();
  expect(bulkRequest({ ...FORM, source: 'url', url: '  ' })).toBeNull();
  expect(bulkRequest({ ...FORM, source: 'set' })).toBeNull();
  expect(bulkRequest({ ...FORM, source: 'url', url: '/data', version: null })).toBeNull();
  expect(bulkRequest({ ...FORM, source: 'url', url: '/data', rowsPerShard: 0 })).toBeNull();
});

it('sends the one source that is chosen', () => {
  const all = { ...FORM, file: new File(['{}'], 'a.jsonl'), url: ' s3://bucket/x ', set: '7' };
  expect(bulkRequest({ ...all, source: 'url' })).toEqual({ ...OPTIONS, url: 's3://bucket/x' });
  expect(bulkRequest({ ...all, source: 'set' })).toEqual({ ...OPTIONS, comparison_set_id: 7 });
  const body = bulkRequest(all) as FormData;
  expect([...body.keys()].toSorted()).toEqual(['file', 'max_bad_share', 'rows_per_shard', 'version']);
  expect(body.get('max_bad_share')).toBe('0.1');
});

import type { RewardModel } from '@/lib/api/types';

export const STATE_COLOURS: Record<RewardModel['state'], string> = {
  training: 'blue',
  candidate: 'yellow',
  promoted: 'teal',
  retired: 'gray',
  failed: 'red',
};

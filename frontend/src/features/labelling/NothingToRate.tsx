import { Button, Group, Stack, Text } from '@mantine/core';
import { Link } from 'react-router';
import { EmptyState } from '@/components/States';
import type { LabellerProgress } from '@/lib/api/types';
import { t } from '@/lib/i18n';
import { useMay, useProject } from '@/lib/session';

interface Props {
  progress: LabellerProgress | null;
  isChecking: boolean;
  onCheck: () => void;
}

/** Nothing is left for this labeller: why, and what they can do. */
export function NothingToRate({ progress, isChecking, onCheck }: Props) {
  const { slug } = useProject();
  const mayImport = useMay('import');
  const n_rated = progress?.rated_total ?? 0;
  return (
    <EmptyState
      title={n_rated > 0 ? t('You are done for now') : t('Nothing to rate yet')}
      action={
        <Group justify="center">
          <Button onClick={onCheck} loading={isChecking}>
            {t('Check again')}
          </Button>
          {n_rated > 0 && (
            <Button variant="default" component={Link} to={`/projects/${slug}/my-ratings`}>
              {t('See my ratings')}
            </Button>
          )}
          {mayImport && (
            <Button variant="default" component={Link} to={`/projects/${slug}/imports`}>
              {t('Import prompts')}
            </Button>
          )}
        </Group>
      }
    >
      <Stack gap="xs">
        <Text inherit>
          {n_rated > 0
            ? t('You have rated {{count}} comparisons here. The others have all the ratings they want, or other labellers have them on their screens.', { count: n_rated })
            : t('No comparison waits for a rating: none has been made yet, or other labellers have them on their screens.')}
        </Text>
        <Text inherit>
          {t('More come when somebody skips one, when labellers disagree, or when new completions are added. You can close this page and come back.')}
        </Text>
      </Stack>
    </EmptyState>
  );
}

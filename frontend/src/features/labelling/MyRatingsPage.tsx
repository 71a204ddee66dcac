import { Button, Text } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { Link } from 'react-router';
import { complain } from '@/components/notify';
import { PagedTable, type Column } from '@/components/PagedTable';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState } from '@/components/States';
import { TimeAgo } from '@/components/TimeAgo';
import { UnsentNotice } from '@/components/UnsentNotice';
import { ApiError } from '@/lib/api/client';
import type { OwnRating } from '@/lib/api/types';
import { t } from '@/lib/i18n';
import { verdictOf } from '@/lib/intensity';
import { Outbox } from '@/lib/outbox/outbox';
import { ownerKey } from '@/lib/outbox/store';
import { usePages } from '@/lib/pages';
import { useMe, useProject } from '@/lib/session';
import { EarlierMessages } from './EarlierMessages';
import { Preferences } from './Preferences';
import { sendRatings } from './session';

/** What the caller has rated in this project, newest first. */
export function MyRatingsPage() {
  const { slug, intensity_labels, bucket_labels } = useProject();
  const me = useMe();
  const ratings = usePages<OwnRating>(['projects', slug, 'my-ratings'], `projects/${slug}/my-ratings`);
  const rate = (
    <Button component={Link} to={`/projects/${slug}/label`}>
      {t('Rate comparisons')}
    </Button>
  );
  const columns: Column<OwnRating>[] = [
    { title: t('Prompt'), cell: (row) => <Text size="sm" lineClamp={2} dir="auto">{row.prompt_excerpt}</Text> },
    {
      title: t('Your rating'),
      cell: (row) => [verdictOf(row, intensity_labels), bucket_labels[row.bucket ?? -1]].filter(Boolean).join('; '),
    },
    {
      title: t('Why'),
      cell: (row) => <Text size="sm" c="dimmed" lineClamp={2} dir="auto">{row.justification || '–'}</Text>,
    },
    { title: t('When'), cell: (row) => <TimeAgo at={row.created_at} />, align: 'right' },
    {
      title: t('Change'),
      cell: (row) =>
        row.can_correct ? (
          <Button
            component={Link}
            to={`/projects/${slug}/label?change=${row.assignment_id}`}
            size="compact-xs"
            variant="default"
            aria-label={t('Change the rating of: {{prompt}}', { prompt: row.prompt_excerpt })}
          >
            {t('Change')}
          </Button>
        ) : (
          <Text size="sm" c="dimmed">–</Text>
        ),
      align: 'right',
    },
  ];
  return (
    <>
      <PageHeader
        title={t('My ratings')}
        description={t('What you rated, in the words of the scale. A is the completion that stood on the left of your screen.')}
        actions={rate}
      />
      {me.data && <Unsent key={`${me.data.id}/${slug}`} userId={me.data.id} />}
      <PagedTable
        query={ratings}
        columns={columns}
        rowKey={(row) => row.id}
        label={t('My ratings')}
        empty={<EmptyState title={t('You have not rated anything yet')}>{t('Your ratings are listed here as you make them.')}</EmptyState>}
      />
      <EarlierMessages />
      <Preferences />
    </>
  );
}

/** Ratings of this project that are still in the browser: sent from here too. */
function Unsent({ userId }: { userId: number }) {
  const { slug } = useProject();
  const queries = useQueryClient();
  const [outbox] = useState(
    () =>
      new Outbox({
        owner: ownerKey(userId, slug),
        send: (ratings) => sendRatings(slug, ratings, 0),
        onAnswer: () => void queries.invalidateQueries({ queryKey: ['projects', slug, 'my-ratings'] }),
        onRejected: (outcome) => complain(new ApiError(409, outcome.code, t('A rating was not taken. {{detail}}', { detail: outcome.detail }))),
      }),
  );
  useEffect(() => {
    outbox.start();
    return () => outbox.stop();
  }, [outbox]);
  return <UnsentNotice outbox={outbox} />;
}

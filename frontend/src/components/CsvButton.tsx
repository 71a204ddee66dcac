import { Button } from '@mantine/core';
import { IconDownload } from '@tabler/icons-react';
import { withQuery } from '@/lib/api/client';
import { t } from '@/lib/i18n';

interface Props {
  slug: string;
  /** Of the table, as the API has it. */
  name: string;
  /** What the table is called on the page. */
  title: string;
  query?: Record<string, string>;
}

/** Downloads a table whole: all of its pages, with the filters of `query`, labellers under their pseudonyms. */
export function CsvButton({ slug, name, title, query }: Props) {
  return (
    <Button
      component="a"
      size="xs"
      variant="default"
      href={withQuery(`/api/v1/projects/${slug}/tables/${name}.csv`, query)}
      download
      aria-label={t('Download as CSV: {{title}}', { title })}
      leftSection={<IconDownload size={14} aria-hidden />}
    >
      {t('CSV')}
    </Button>
  );
}

import { Button } from '@mantine/core';
import { IconDownload } from '@tabler/icons-react';
import { t } from '@/lib/i18n';
import { csvOf } from './report';

interface Props {
  /** Of the file, without its ending. */
  name: string;
  /** What the table is called on the page. */
  title: string;
  head: string[];
  rows: (string | number | null)[][];
}

/** Downloads a table of a report, which the page has whole already. */
export function ReportCsv({ name, title, head, rows }: Props) {
  const download = () => {
    const url = URL.createObjectURL(new Blob([csvOf(head, rows)], { type: 'text/csv;charset=utf-8' }));
    const link = Object.assign(document.createElement('a'), { href: url, download: `${name}.csv` });
    link.click();
    URL.revokeObjectURL(url);
  };
  return (
    <Button
      size="xs"
      variant="default"
      aria-label={t('Download as CSV: {{title}}', { title })}
      leftSection={<IconDownload size={14} aria-hidden />}
      onClick={download}
    >
      {t('CSV')}
    </Button>
  );
}

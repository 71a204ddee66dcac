import { Anchor, Card, Table, Text, Title, VisuallyHidden } from '@mantine/core';
import { Link } from 'react-router';
import { number, percent } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';
import { aboutCell, batchText, cellOf, onItsOwn, tintOf, type Judged, type Level } from './timeline';
import classes from './Timeline.module.css';

interface Props {
  rows: Judged[];
  batches: number[];
  /** Of how many batches these are the newest. */
  nBatches: number;
  chosen: Level;
}

/** Every reward model on every batch of comparisons, tinted by how often it was right. */
export function TimelineBatches({ rows, batches, nBatches, chosen }: Props) {
  const { slug, intensity_labels } = useProject();
  if (rows.length === 0 || batches.length === 0) return null;
  return (
    <Card component="section" withBorder radius="lg" padding="lg" style={{ minWidth: 0 }} aria-labelledby="timeline-batches">
      <Title order={2} id="timeline-batches" mb="sm">
        {t('Accuracy by batch')}
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        {t('A batch is what one sampling round asked for. Down a column, the questions are the same, but for those rated since, and the models change; the outlined cell is the batch that the refresh itself brought. Models are not judged on batches that came after them.')}
        {nBatches > batches.length && ` ${t('The newest {{shown}} of {{all}} batches.', { shown: number(batches.length), all: number(nBatches) })}`}
      </Text>
      <Table.ScrollContainer minWidth={0}>
        <table className={classes.cells} aria-labelledby="timeline-batches">
          <thead>
            <tr>
              <th scope="col">{t('Reward model')}</th>
              {batches.map((batch) => (
                <th key={batch} scope="col">
                  {batchText(batch)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.id}>
                <th scope="row">
                  <Anchor component={Link} to={`/projects/${slug}/reward-models/${row.model.id}`} inherit>
                    v{row.model.version}
                  </Anchor>
                </th>
                {batches.map((batch) => {
                  const stat = cellOf(row, batch, chosen)?.stat ?? null;
                  const value = stat?.value ?? null;
                  const { side, share } = tintOf(value);
                  const about = aboutCell(row, batch, chosen, intensity_labels);
                  const isOwn = onItsOwn(row)?.batch === batch;
                  return (
                    <td
                      key={batch}
                      className={`${classes.cell} ${classes[side]} ${isOwn && value !== null ? classes.own : ''}`}
                      style={{ '--share': share } as React.CSSProperties}
                      title={about}
                    >
                      <span aria-hidden>
                        {value === null ? '–' : percent(value, 0)}
                        {stat && value !== null && (
                          <span className={classes.small}>
                            {stat.low !== null && stat.high !== null && `${number(stat.low * 100, 0)}–${number(stat.high * 100, 0)}, `}
                            n = {number(stat.n)}
                          </span>
                        )}
                      </span>
                      <VisuallyHidden>{about}</VisuallyHidden>
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </Table.ScrollContainer>
    </Card>
  );
}

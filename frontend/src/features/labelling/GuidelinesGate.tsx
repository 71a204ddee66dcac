import { Alert, Button, Group, Stack, Text, Title } from '@mantine/core';
import { useEffect, useRef } from 'react';
import { Link } from 'react-router';
import { GuidelinesText } from '@/components/GuidelinesText';
import { EmptyState, Loaded } from '@/components/States';
import type { GuidelineVersion } from '@/lib/api/types';
import { useMay, useProject } from '@/lib/session';
import { useGuidelines } from './guidelines';
import classes from './Labelling.module.css';

function NoGuidelines({ onStart }: { onStart: () => void }) {
  const project = useProject();
  const mayWrite = useMay('guidelines');
  return (
    <EmptyState
      title="This project has no guidelines yet"
      action={
        <Group justify="center">
          {mayWrite && (
            <Button component={Link} to={`/projects/${project.slug}/guidelines/edit`}>
              Write the guidelines
            </Button>
          )}
          <Button variant={mayWrite ? 'default' : 'filled'} onClick={onStart}>
            Start rating
          </Button>
        </Group>
      }
    >
      Nobody has written down what “better” means here. You can rate all the same: go by {project.axis}, as you
      understand it. Guidelines that come later are shown to you first.
    </EmptyState>
  );
}

function Guidelines({ version, isUpdate, onStart }: { version: GuidelineVersion; isUpdate: boolean; onStart: () => void }) {
  const project = useProject();
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    window.scrollTo(0, 0);
    heading.current?.focus({ preventScroll: true });
  }, []);
  return (
    <>
      <Stack gap="xs" mb="lg">
        <Title order={1} ref={heading} tabIndex={-1} className={classes.heading}>
          {isUpdate ? 'The guidelines have changed' : 'Before you start: the guidelines'}
        </Title>
        <Text c="dimmed">
          Version {version.number}. While you rate, “Guidelines” (key G) shows them again.
        </Text>
        {isUpdate && version.change_note && (
          <Alert title="What is new" color="yellow">
            {version.change_note}
          </Alert>
        )}
      </Stack>
      <GuidelinesText version={version} labels={project.intensity_labels} />
      <div className={classes.start}>
        <Button size="md" onClick={onStart}>
          {isUpdate ? 'Go on rating' : 'Start rating'}
        </Button>
      </div>
    </>
  );
}

interface Props {
  /** Null where there are none. */
  version: number | null;
  /** The labeller has rated here under another version. */
  isUpdate: boolean;
  onStart: () => void;
}

/** What to read before the first pair, and again when it has changed. */
export function GuidelinesGate({ version, isUpdate, onStart }: Props) {
  return (
    <div className={classes.gate}>
      {version === null ? (
        <NoGuidelines onStart={onStart} />
      ) : (
        <WithVersion version={version} isUpdate={isUpdate} onStart={onStart} />
      )}
    </div>
  );
}

function WithVersion({ version, isUpdate, onStart }: Props & { version: number }) {
  const { slug } = useProject();
  return (
    <Loaded query={useGuidelines(slug, version)} rows={8}>
      {(found) => <Guidelines version={found} isUpdate={isUpdate} onStart={onStart} />}
    </Loaded>
  );
}

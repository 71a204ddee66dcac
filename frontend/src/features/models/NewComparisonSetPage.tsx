import { Alert, Box, Button, Group, Modal, SimpleGrid, Stack, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useDebouncedValue } from '@mantine/hooks';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { useNavigate, useSearchParams } from 'react-router';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState, Loaded } from '@/components/States';
import { api, ApiError } from '@/lib/api/client';
import type { ComparisonSet, SetChoices, SetPreview } from '@/lib/api/types';
import { showErrors } from '@/lib/formErrors';
import { t } from '@/lib/i18n';
import { useMay, useProject } from '@/lib/session';
import { MainFields, MoreFields, type NewSet } from './SpecFields';
import { formOf, isUnderMore, queryOf, specIn, specOf, type SpecField } from './specForm';
import { SpecPreview } from './SpecPreview';

/** Chooses which ratings go into a comparison set, with live counts. The spec is in the address, to be sent on. */
export function NewComparisonSetPage() {
  const { slug } = useProject();
  const mayTrain = useMay('train');
  const choices = useQuery({
    queryKey: ['projects', slug, 'comparison-sets', 'choices'],
    queryFn: () => api.get<SetChoices>(`projects/${slug}/comparison-sets/choices`),
    enabled: mayTrain,
  });
  return (
    <>
      <PageHeader
        title={t('New comparison set')}
        description={t('The ratings of now, filtered and written once. Later ratings do not change it.')}
      />
      {mayTrain ? (
        <Loaded query={choices}>{(found) => <Form choices={found} />}</Loaded>
      ) : (
        <EmptyState title={t('Researchers make comparison sets')}>{t('Ask the owner of the project for that role.')}</EmptyState>
      )}
    </>
  );
}

function Form({ choices }: { choices: SetChoices }) {
  const { slug } = useProject();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [address, setAddress] = useSearchParams();
  const form = useForm<NewSet>({ initialValues: { name: '', spec: formOf(specIn(address)) } });
  const spec = specOf(form.values.spec);
  const nFolded = (Object.keys(spec) as SpecField[]).filter((name) => isUnderMore(`spec.${name}`)).length;
  const [isOpen, setOpen] = useState(nFolded > 0);
  const asked = useAddress(queryOf(spec), address.toString(), setAddress);
  const preview = useQuery({
    queryKey: ['projects', slug, 'comparison-sets', 'preview', asked],
    queryFn: ({ signal }) => api.get<SetPreview>(`projects/${slug}/comparison-sets/preview${asked && `?${asked}`}`, {}, signal),
    placeholderData: (previous) => previous,
  });
  const make = useMutation({
    mutationFn: (isWarned: boolean) =>
      api.post<ComparisonSet>(`projects/${slug}/comparison-sets`, { name: form.values.name.trim(), spec, ...(isWarned && { is_warned: true }) }),
    onSuccess: async (made) => {
      await queries.invalidateQueries({ queryKey: ['projects', slug, 'comparison-sets'], refetchType: 'none' });
      void navigate(`/projects/${slug}/comparison-sets/${made.id}`);
    },
    onError: (error) => {
      showErrors(form, error);
      if (error instanceof ApiError && error.errors.some(({ field }) => isUnderMore(field))) setOpen(true);
    },
  });
  const isAboveLimit = make.error instanceof ApiError && make.error.code === 'disagreement_above_limit';
  return (
    <form onSubmit={form.onSubmit(() => make.mutate(false))}>
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="xl">
        <Stack gap="lg" style={{ minWidth: 0 }}>
          <TextInput label={t('Name')} placeholder={t('after the new guidelines')} maxLength={120} {...form.getInputProps('name')} />
          <MainFields form={form} choices={choices} />
          <MoreFields form={form} choices={choices} isOpen={isOpen} setOpen={setOpen} n={nFolded} />
          {make.error && !isAboveLimit && (
            <Alert color="red" title={t('It was not made')} role="alert">
              {make.error.message}
            </Alert>
          )}
          <Group justify="flex-end">
            {preview.data && (
              <Text size="sm" c="dimmed" mr="auto" hiddenFrom="md">
                {t('{{count}} comparisons', { count: preview.data.comparisons })}
              </Text>
            )}
            <Button variant="default" disabled={Object.keys(spec).length === 0} onClick={() => form.setFieldValue('spec', formOf(specIn(new URLSearchParams())))}>
              {t('Without filters')}
            </Button>
            <Button type="submit" loading={make.isPending} disabled={preview.data?.comparisons === 0 && !preview.isPlaceholderData}>
              {t('Make it')}
            </Button>
          </Group>
        </Stack>
        <Box style={{ minWidth: 0, alignSelf: 'start' }} pos={{ base: 'static', md: 'sticky' }} top={72}>
          <SpecPreview preview={preview.data} error={preview.error} choices={choices} isCounting={preview.isPlaceholderData} />
        </Box>
      </SimpleGrid>
      <Modal opened={isAboveLimit} onClose={() => make.reset()} title={t('Labellers disagree more than the limit')} closeButtonProps={{ 'aria-label': t('Close') }}>
        <Stack>
          <Text size="sm">{isAboveLimit && make.error?.message}</Text>
          <Text size="sm">{t('A model learns their confusion too. Clear up the guidelines first, or ask for more agreement here.')}</Text>
          <Group justify="flex-end">
            <Button variant="default" onClick={() => make.reset()}>
              {t('Not now')}
            </Button>
            <Button color="red" onClick={() => make.mutate(true)}>
              {t('Make it all the same')}
            </Button>
          </Group>
        </Stack>
      </Modal>
    </form>
  );
}

/** Keeps the address of the page to what is chosen; returns what was chosen when the hands came to rest. */
function useAddress(wanted: string, shown: string, setAddress: (query: string, how: { replace: boolean }) => void): string {
  const [asked] = useDebouncedValue(wanted, 300);
  useEffect(() => {
    // The address follows the form, never the other way round.
    if (asked !== shown) setAddress(asked, { replace: true });
  }, [asked, shown, setAddress]);
  return asked;
}

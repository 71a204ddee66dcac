import { ActionIcon, Button, Card, Group, NumberInput, Select, SimpleGrid, Stack, Switch, TagsInput, Text, Textarea, TextInput, Title, Tooltip } from '@mantine/core';
import { IconPlus, IconTrash } from '@tabler/icons-react';
import { useId } from 'react';
import type { GenerationChoices } from '@/lib/api/types';
import type { FormPart } from '@/lib/formPart';
import { anotherRow, isOfPool, isSearched, PATH, sourcesOf, type GenerationForm, type Search } from '@/lib/generation/form';
import { t } from '@/lib/i18n';

const ORDERS = [
  { value: 'least_covered', label: t('least rated clusters first') },
  { value: 'random', label: t('drawn at random') },
];
const SEARCHES = [
  { value: 'plain', label: t('as the model writes them') },
  { value: 'prompted', label: t('adversarial, by a system prompt') },
  { value: 'reward', label: t('adversarial, the highest reward of many') },
  { value: 'disagreement', label: t('adversarial, the least certain of many') },
];

interface Props {
  part: FormPart<GenerationForm>;
  choices: GenerationChoices;
}

/** Which prompts are written for, and how much. */
export function PromptFields({ part }: Pick<Props, 'part'>) {
  return (
    <>
      <SimpleGrid cols={{ base: 1, sm: 3 }}>
        <NumberInput label={t('How many prompts')} min={1} max={100_000} allowDecimal={false} {...part.props('n_prompts')} />
        <Select label={t('Which ones')} allowDeselect={false} data={ORDERS} {...part.props('order')} />
        <NumberInput label={t('Longest completion, tokens')} min={1} max={16_384} allowDecimal={false} {...part.props('max_new_tokens')} />
      </SimpleGrid>
      <Switch label={t('Only prompts without a rated comparison')} {...part.props('is_unlabelled_only', { type: 'checkbox' })} />
    </>
  );
}

/** Who writes the completions. */
export function MixFields({ part, choices }: Props) {
  const heading = useId();
  const sources = sourcesOf(choices);
  const rows = part.values.mix;
  return (
    <section aria-labelledby={heading}>
      <Title order={3} size="h5" mb="xs" id={heading}>
        {t('Who writes, for each prompt')}
      </Title>
      <Stack gap="sm">
        {rows.map((row, place) => {
          const field = (name: string) => part.props(`mix.${place}.${name}`);
          return (
            <Card key={place} withBorder radius="md" padding="sm">
              <Group align="flex-start" wrap="nowrap" gap="xs">
                <Stack gap="xs" flex={1} miw={0}>
                  <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="xs">
                    <Select label={t('Source {{number}}', { number: place + 1 })} allowDeselect={false} data={sources} {...field('source')} />
                    {!isOfPool(row) && <Select label={t('Found')} allowDeselect={false} data={SEARCHES} {...searchOf({ part, choices }, place)} />}
                    {row.source === PATH && <TextInput label={t('Path')} placeholder="/models/policy-7" maxLength={490} {...field('path')} />}
                  </SimpleGrid>
                  <SimpleGrid cols={{ base: 2, sm: 3 }} spacing="xs">
                    <NumberInput label={t('Completions')} min={1} max={64} allowDecimal={false} {...field('n')} />
                    {!isOfPool(row) && <NumberInput label={t('Temperature')} min={0} max={5} step={0.1} {...field('temperature')} />}
                    {isSearched(row) && <NumberInput label={t('Of so many each')} min={2} max={64} allowDecimal={false} {...field('best_of')} />}
                  </SimpleGrid>
                  {!isOfPool(row) && row.search === 'prompted' && (
                    <Textarea label={t('System prompt')} autosize minRows={2} maxRows={8} maxLength={4000} {...field('system')} />
                  )}
                </Stack>
                <Tooltip label={t('Remove')}>
                  <ActionIcon
                    variant="subtle"
                    color="gray"
                    aria-label={t('Remove source {{number}}', { number: place + 1 })}
                    disabled={rows.length === 1}
                    onClick={() => part.remove('mix', place)}
                  >
                    <IconTrash size={16} />
                  </ActionIcon>
                </Tooltip>
              </Group>
            </Card>
          );
        })}
        {part.error('mix') && (
          <Text c="red" size="sm" role="alert">
            {part.error('mix')}
          </Text>
        )}
        <Button
          variant="light"
          w="fit-content"
          leftSection={<IconPlus size={16} />}
          disabled={rows.length >= 20}
          onClick={() => part.add('mix', anotherRow(rows))}
        >
          {t('Add a source')}
        </Button>
      </Stack>
    </section>
  );
}

/** Choosing a system prompt brings one to start from. */
function searchOf({ part, choices }: Props, place: number) {
  return {
    ...part.props(`mix.${place}.search`),
    onChange: (value: string | null) => {
      part.set(`mix.${place}.search`, (value ?? 'plain') as Search);
      if (value === 'prompted' && !part.values.mix[place]?.system) part.set(`mix.${place}.system`, choices.adversarial_system);
    },
  };
}

/** What is seldom changed. */
export function MoreGenerationFields({ part, choices }: Props) {
  return (
    <SimpleGrid cols={{ base: 1, sm: 2 }}>
      <TagsInput label={t('Only prompts with a tag')} clearable {...part.props('tags')} />
      <TagsInput label={t('Only prompts in a language')} clearable {...part.props('languages')} />
      <NumberInput
        label={t('Drop what is as like another one as, %')}
        description={t('Of the runs of five words that either has')}
        min={1}
        max={100}
        allowDecimal={false}
        {...part.props('near_duplicate')}
      />
      <NumberInput
        label={t('Longest prompt, tokens')}
        description={t('Longer ones are cut on the left')}
        min={8}
        max={131_072}
        allowDecimal={false}
        {...part.props('max_prompt_tokens')}
      />
      <Select
        label={t('Reward model of best-of-n')}
        placeholder={t('the promoted one')}
        clearable
        data={choices.reward_models.map(({ id, version, state }) => ({
          value: String(id),
          label: state === 'promoted' ? t('v{{version}}, in use', { version }) : `v${version}`,
        }))}
        {...part.props('reward_model')}
      />
      <NumberInput label={t('Seed')} min={0} allowDecimal={false} {...part.props('seed')} />
    </SimpleGrid>
  );
}

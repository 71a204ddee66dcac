import { Kbd, Modal, Stack, Switch, Table, Text } from '@mantine/core';
import { t } from '@/lib/i18n';
import { printed, type Shortcut } from '@/lib/shortcuts/shortcuts';

interface Props {
  isOpen: boolean;
  onClose: () => void;
  shortcuts: readonly Shortcut[];
  hasKeys: boolean;
  onHasKeys: (hasKeys: boolean) => void;
}

const aliasOf = (alias: string) => alias.replace('Control', t('Ctrl'));

/** All keys, from the table that also handles them. */
export function HelpDialog({ isOpen, onClose, shortcuts, hasKeys, onHasKeys }: Props) {
  return (
    <Modal
      opened={isOpen}
      onClose={onClose}
      title={t('Keys')}
      returnFocus={false}
      transitionProps={{ duration: 0 }}
      closeButtonProps={{ 'aria-label': t('Close') }}
    >
      <Stack>
        <Table aria-label={t('Keys')} withRowBorders={false} verticalSpacing={4}>
          <Table.Tbody>
            {shortcuts.map((shortcut) => (
              <Table.Tr key={shortcut.id}>
                <Table.Td w={110}>
                  <Kbd>{printed(shortcut)}</Kbd>
                  {shortcut.alias && <Kbd ms={4}>{aliasOf(shortcut.alias)}</Kbd>}
                </Table.Td>
                <Table.Td>{shortcut.label}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
        <Text size="sm" c="dimmed">
          {t('Keys are off while you write in a field or a dialog is open; Escape leaves both.')}
        </Text>
        <Switch
          label={t('Single keys')}
          description={t('Turn them off if you use speech input or a screen reader that types them.')}
          checked={hasKeys}
          onChange={(event) => onHasKeys(event.currentTarget.checked)}
        />
      </Stack>
    </Modal>
  );
}

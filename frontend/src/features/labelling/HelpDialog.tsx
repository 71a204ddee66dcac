import { Kbd, Modal, Stack, Switch, Table, Text } from '@mantine/core';
import type { Shortcut } from '@/lib/shortcuts/shortcuts';

interface Props {
  isOpen: boolean;
  onClose: () => void;
  shortcuts: readonly Shortcut[];
  hasKeys: boolean;
  onHasKeys: (hasKeys: boolean) => void;
}

/** All keys, from the table that also handles them. */
export function HelpDialog({ isOpen, onClose, shortcuts, hasKeys, onHasKeys }: Props) {
  return (
    <Modal
      opened={isOpen}
      onClose={onClose}
      title="Keys"
      returnFocus={false}
      transitionProps={{ duration: 0 }}
      closeButtonProps={{ 'aria-label': 'Close' }}
    >
      <Stack>
        <Table aria-label="Keys" withRowBorders={false} verticalSpacing={4}>
          <Table.Tbody>
            {shortcuts.map((shortcut) => (
              <Table.Tr key={shortcut.id}>
                <Table.Td w={48}>
                  <Kbd>{shortcut.keyName}</Kbd>
                </Table.Td>
                <Table.Td>{shortcut.label}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
        <Text size="sm" c="dimmed">
          Keys are off while you write in a field or a dialog is open; Escape leaves both.
        </Text>
        <Switch
          label="Single keys"
          description="Turn them off if you use speech input or a screen reader that types them."
          checked={hasKeys}
          onChange={(event) => onHasKeys(event.currentTarget.checked)}
        />
      </Stack>
    </Modal>
  );
}

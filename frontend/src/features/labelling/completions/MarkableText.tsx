import { Button, Group, VisuallyHidden } from '@mantine/core';
import { IconHighlight } from '@tabler/icons-react';
import { useEffect, useLayoutEffect, useMemo, useRef, useState, type KeyboardEvent } from 'react';
import { isRightToLeft } from '@/components/markdown/direction';
import { t } from '@/lib/i18n';
import { keepInView } from './keepInView';
import { RawText } from './RawText';
import { select, selectedIn } from './selection';
import type { Stretch } from './spans';
import { moved, stretchOfWords, type WordCursor } from './wordCursor';
import { wordsIn } from './wordsIn';

interface Props {
  name: string;
  text: string;
  marked: readonly Stretch[];
  onMark: (stretch: Stretch) => void;
  onUnmark: (stretch: Stretch) => void;
  /** Id of the text that says how it goes. */
  describedBy: string;
}

/** A text as it was written, in which passages can be marked: with the mouse, a finger, or word by word with the keyboard. */
export function MarkableText({ name, text, marked, onMark, onUnmark, describedBy }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const cursor = useRef<WordCursor | null>(null);
  const isPressed = useRef(false);
  const held = useRef<Stretch | null>(null);
  const [heard, setHeard] = useState('');
  const words = useMemo(() => wordsIn(text), [text]);
  const isRtl = useMemo(() => isRightToLeft(text), [text]);

  const mark = (stretch: Stretch | null) => {
    if (!stretch) {
      setHeard(t('Nothing is selected.'));
      return;
    }
    onMark(stretch);
    setHeard(t('Marked: {{quote}}', { quote: text.slice(stretch.start, stretch.end) }));
  };

  // The button may be released outside of the text.
  useEffect(() => {
    const onRelease = (release: PointerEvent) => {
      const stretch = isPressed.current && box.current ? selectedIn(box.current) : null;
      isPressed.current = false;
      // Fingers and pens go on to move the ends; they have the button.
      if (!stretch || release.pointerType !== 'mouse') return;
      mark(stretch);
      document.getSelection()?.removeAllRanges();
    };
    document.addEventListener('pointerup', onRelease);
    return () => document.removeEventListener('pointerup', onRelease);
  });

  const showCursor = () => {
    const stretch = cursor.current && stretchOfWords(cursor.current, words);
    const range = stretch && box.current ? select(box.current, stretch) : null;
    if (range && box.current) keepInView(range, box.current);
    return stretch;
  };

  // Marking puts other elements where the selected words were.
  useLayoutEffect(() => {
    if (document.activeElement === box.current) showCursor();
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [marked]);

  const onKeyDown = (press: KeyboardEvent) => {
    if (press.ctrlKey || press.altKey || press.metaKey || press.nativeEvent.isComposing) return;
    const selected = cursor.current && stretchOfWords(cursor.current, words);
    const next = moved(press.key, press.shiftKey, cursor.current, words, text, isRtl);
    if (next) {
      cursor.current = next;
      const stretch = showCursor();
      if (stretch) setHeard(text.slice(stretch.start, stretch.end));
    } else if (press.key === 'Enter') {
      mark(selected);
      if (cursor.current) cursor.current = { anchor: cursor.current.focus, focus: cursor.current.focus };
    } else if ((press.key === 'Backspace' || press.key === 'Delete') && selected) {
      onUnmark(selected);
      setHeard(t('No longer marked.'));
    } else {
      return;
    }
    press.preventDefault();
  };

  return (
    <>
      <Group justify="flex-end" mb={4}>
        <Button
          size="compact-sm"
          variant="default"
          leftSection={<IconHighlight size={16} aria-hidden />}
          // Pressing a button takes the selection away on some phones.
          onPointerDown={() => (held.current = box.current && selectedIn(box.current))}
          onClick={() => {
            mark(held.current ?? (box.current && selectedIn(box.current)));
            held.current = null;
          }}
        >
          {t('Mark the selection')}
        </Button>
      </Group>
      <RawText
        text={text}
        marked={marked}
        ref={box}
        // Screen readers pass the arrow keys on; the words are said by the status below.
        role="application"
        aria-label={t('Text of completion {{name}}, to mark', { name })}
        aria-describedby={describedBy}
        tabIndex={0}
        onPointerDown={() => {
          isPressed.current = true;
          cursor.current = null;
        }}
        onKeyDown={onKeyDown}
      />
      <VisuallyHidden role="status">{heard}</VisuallyHidden>
    </>
  );
}

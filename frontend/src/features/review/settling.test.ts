import { describe, expect, it } from 'vitest';
import { bodyOf, chosenOf, EMPTY, missingIn, verdictChoices, verdictOfChoice, type Settling } from './settling';

const LABELS = ['significantly better', 'better', 'slightly better', 'unsure'];
const with_ = (more: Partial<Settling>): Settling => ({ ...EMPTY, ...more });

describe('the keys of a verdict', () => {
  it('are those of labelling, with a tie even where labellers have to decide', () => {
    const given = verdictChoices(LABELS).map((choice) => {
      const { verdict, intensity } = verdictOfChoice(choice);
      return `${choice.keyName}: ${verdict} ${intensity ?? ''}`.trim();
    });
    expect(given).toEqual(['1: a 4', '2: a 3', '3: a 2', '4: a 1', 'T: tie', '5: b 1', '6: b 2', '7: b 3', '8: b 4']);
  });

  it('lead back to the button that was pressed', () => {
    const choices = verdictChoices(LABELS);
    for (const choice of choices) expect(chosenOf(verdictOfChoice(choice), choices)).toBe(choice);
    expect(chosenOf({ verdict: 'invalid', intensity: null }, choices)).toBeNull();
    expect(chosenOf({ verdict: '', intensity: null }, choices)).toBeNull();
  });
});

describe('settling', () => {
  it('needs a verdict, and the words of the steps that are wanted', () => {
    expect(Object.keys(missingIn(EMPTY, true))).toEqual(['verdict']);
    const steps = { isExample: true, rationale: ' ', hasGuidelineNote: true };
    expect(Object.keys(missingIn(with_({ verdict: 'a', intensity: 1, ...steps }), true))).toEqual(['rationale', 'guidelineNote']);
    expect(missingIn(with_({ verdict: 'a', intensity: 1 }), true)).toEqual({});
  });

  it('sends the verdict with its steps', () => {
    const values = with_({
      verdict: 'b', intensity: 3, note: ' B answers. ', section: 'Length', isGold: true, isExample: true, rationale: ' Why. ',
      isInQuiz: true, hasGuidelineNote: true, guidelineNote: 'Say so.',
    });
    expect(bodyOf(values, false)).toEqual({
      preferred: 'b', intensity: 3, note: 'B answers.', guideline_section: 'Length',
      then: { gold: true, worked_example: { rationale: 'Why.', in_quiz: true }, guideline_note: 'Say so.' },
    });
  });

  it('leaves out what the verdict does not allow, though it was ticked before', () => {
    const ticked = { isGold: true, isExample: true, rationale: 'Why.' };
    expect(bodyOf(with_({ verdict: 'invalid', ...ticked }), true).then).toEqual({ gold: false, worked_example: null, guideline_note: '' });
    expect(bodyOf(with_({ verdict: 'tie', ...ticked }), false).then.gold).toBe(false);
    expect(bodyOf(with_({ verdict: 'tie', ...ticked }), true).then.gold).toBe(true);
  });
});

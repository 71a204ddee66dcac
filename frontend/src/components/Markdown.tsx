import { Typography } from '@mantine/core';
import type { Element } from 'hast';
import { memo, useId, useMemo } from 'react';
import ReactMarkdown, { type Components, type Options } from 'react-markdown';
import rehypeSanitize, { defaultSchema, type Options as Schema } from 'rehype-sanitize';
import remarkGfm from 'remark-gfm';
import { t } from '@/lib/i18n';
import classes from './Markdown.module.css';
import { rehypeDirection } from './markdown/direction';
import { putFormulasBack, setFormulasAside } from './markdown/formulas';
import { remarkHtmlAsText } from './markdown/htmlAsText';
import { Scroller } from './markdown/Scroller';
import { loadable, useLoaded } from './markdown/useLoaded';

type Plugins = NonNullable<Options['rehypePlugins']>;

const typesetting = loadable(async (): Promise<Plugins> => [...(await import('./markdown/typeset')).typeset] as Plugins);
const colouring = loadable(async (): Promise<Plugins> => [(await import('rehype-highlight')).default]);

const MATH_BLOCK = /(?:`{3}|~{3})[ \t]*math\b/;
const CODE_IN_A_LANGUAGE = /^[ \t>*+\-\d.)]*(?:`{3}|~{3})[`~]*[ \t]*[a-z]/im;

const FOOTNOTES: Options['remarkRehypeOptions'] = {
  clobberPrefix: '',
  footnoteLabel: t('Footnotes'),
  footnoteLabelProperties: {},
  footnoteBackLabel: t('Back to the text'),
};

/** The text as Markdown: HTML in it stays text, the rest is sanitised, pictures are named and never fetched. */
export const Markdown = memo(function Markdown({ text }: { text: string }) {
  const prefix = `${useId()}-`;
  const [source, formulas] = useMemo(() => {
    const aside = setFormulasAside(text);
    return [aside.text, aside.formulas];
  }, [text]);
  const typeset = useLoaded(typesetting, formulas.length > 0 || MATH_BLOCK.test(text));
  const coloured = useLoaded(colouring, CODE_IN_A_LANGUAGE.test(text));

  // Parsed again only when the text changes, or a part that it needs has been loaded.
  const tree = useMemo(() => {
    const rehypePlugins: Plugins = [
      [rehypeSanitize, schemaWith(prefix)],
      rehypeDirection,
      // These make what the sanitiser would take out, from text that it has seen.
      ...(typeset ?? []),
      ...(coloured ?? []),
    ];
    return (
      <ReactMarkdown
        remarkPlugins={[remarkGfm, [putFormulasBack, formulas], remarkHtmlAsText]}
        rehypePlugins={rehypePlugins}
        remarkRehypeOptions={FOOTNOTES}
        components={componentsWith(prefix)}
      >
        {source}
      </ReactMarkdown>
    );
  }, [source, formulas, typeset, coloured, prefix]);

  return (
    <Typography className={classes.markdown} dir="auto">
      {tree}
    </Typography>
  );
});

/** Ids (of footnotes) are unique on the page: two completions may both have a first footnote. */
function schemaWith(prefix: string): Schema {
  return {
    ...defaultSchema,
    clobberPrefix: prefix,
    attributes: { ...defaultSchema.attributes, code: [['className', /^language-./, 'math-inline', 'math-display']] },
  };
}

const isDisplayedFormula = ({ children: [inner] }: Element) =>
  inner?.type === 'element' && inner.tagName === 'math' && inner.properties.display === 'block';

function componentsWith(prefix: string): Components {
  return {
    a: ({ children, href, id, 'aria-label': label, 'aria-describedby': described }) =>
      href?.startsWith('#') ? (
        <a href={`#${prefix}${href.slice(1)}`} id={id} aria-label={label} aria-describedby={described}>
          {children}
        </a>
      ) : (
        <a href={href} target="_blank" rel="noopener noreferrer nofollow">
          {children}
        </a>
      ),
    img: ({ alt }) => <em>[{alt ? t('picture: {{text}}', { text: alt }) : t('picture')}]</em>,
    pre: ({ children, dir }) => (
      // Long lines scroll, with the keyboard too.
      // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
      <pre tabIndex={0} dir={dir}>
        {children}
      </pre>
    ),
    table: ({ children, dir }) => (
      <Scroller label={t('Table')} dir={dir}>
        <table>{children}</table>
      </Scroller>
    ),
    span: ({ children, node, className }) =>
      node && isDisplayedFormula(node) ? (
        <Scroller label={t('Formula')} isInParagraph>
          {children}
        </Scroller>
      ) : (
        <span className={className}>{children}</span>
      ),
  };
}

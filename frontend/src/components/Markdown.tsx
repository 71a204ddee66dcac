import { Typography } from '@mantine/core';
import { memo } from 'react';
import ReactMarkdown from 'react-markdown';
import rehypeSanitize from 'rehype-sanitize';
import remarkGfm from 'remark-gfm';
import classes from './Markdown.module.css';

/** Uploaded text as Markdown: raw HTML is dropped, the rest sanitised, pictures are named and never fetched. */
export const Markdown = memo(function Markdown({ text }: { text: string }) {
  return (
    <Typography className={classes.markdown} dir="auto">
      <ReactMarkdown
        remarkPlugins={[remarkGfm]}
        rehypePlugins={[rehypeSanitize]}
        components={{
          a: ({ children, href }) => (
            <a href={href} target="_blank" rel="noopener noreferrer nofollow">
              {children}
            </a>
          ),
          img: ({ alt }) => <em>[picture{alt ? `: ${alt}` : ''}]</em>,
          pre: ({ children }) => (
            // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
            <pre tabIndex={0}>{children}</pre>
          ),
          table: ({ children }) => (
            // A wide table scrolls by itself, with the keyboard too.
            // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
            <div className={classes.scroller} tabIndex={0} role="region" aria-label="Table">
              <table>{children}</table>
            </div>
          ),
        }}
      >
        {text}
      </ReactMarkdown>
    </Typography>
  );
});

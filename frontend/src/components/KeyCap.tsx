import classes from './KeyCap.module.css';

/** A picture of a key on a button whose name says the key already. */
export function KeyCap({ keyName }: { keyName: string }) {
  return <span className={classes.key} data-key={keyName} />;
}

/** The headings of a Markdown text, in order; those in fenced code are none. */
export function headingsOf(markdown: string): string[] {
  const found: string[] = [];
  let fence = '';
  for (const line of markdown.split('\n')) {
    const [, marks = ''] = /^ {0,3}(`{3,}|~{3,})/.exec(line) ?? [];
    if (marks && !fence) fence = marks;
    else if (fence && marks.startsWith(fence) && line.trim() === marks) fence = '';
    if (fence) continue;
    const [, heading = ''] = /^ {0,3}#{1,6}\s+(.*?)\s*#*\s*$/.exec(line) ?? [];
    if (heading) found.push(heading);
  }
  return [...new Set(found)];
}

import js from '@eslint/js';
import i18next from 'eslint-plugin-i18next';
import jsxA11y from 'eslint-plugin-jsx-a11y';
import reactHooks from 'eslint-plugin-react-hooks';
import globals from 'globals';
import tseslint from 'typescript-eslint';

const features = [
  'auth', 'account', 'projects', 'members', 'guidelines', 'data', 'labelling', 'rankings', 'review', 'models', 'refresh', 'jobs',
  'audit', 'policies',
];

// Imports run lib <- components <- features <- app, and features do not import each other.
const forbid = (...folders) => ({
  'no-restricted-imports': ['error', { patterns: folders.map((folder) => ({ group: [`@/${folder}/**`] })) }],
});

// Texts go through t(). These do not: signs, a single letter, a lone token in small letters (a code, a colour, a size, part
// of an address), and what is the same in every language.
const noTexts = [
  /^\P{L}*$/u, /^[A-Z]$/, /^\P{L}*[a-z][\w./:?=&#-]*$/u, /^var\(--[\w-]+\)$/,
  'n =', 'KiB', 'Touchstone', 'SHA-256', 'Authorization: Bearer tst_…',
];
const TEXT = '[key.name=/^(title|label|text|description|placeholder|help|hint|confirm)$/]';
const untranslated = [
  'JSXText[value=/\\b[a-z]{3,}\\b/]',
  `Property${TEXT} > Literal[value=/[A-Za-z]{2}/]`,
  `Property${TEXT} > TemplateLiteral > TemplateElement[value.raw=/[A-Za-z]{2}/]`,
  'CallExpression[callee.name=tell] > Literal',
];

export default tseslint.config(
  { ignores: ['dist', 'node_modules', 'src/lib/api/schema.d.ts'] },
  js.configs.recommended,
  ...tseslint.configs.strict,
  jsxA11y.flatConfigs.recommended,
  reactHooks.configs.flat.recommended,
  { languageOptions: { globals: globals.browser } },
  {
    files: ['src/**/*.{ts,tsx}'],
    ignores: ['**/*.test.{ts,tsx}'],
    plugins: { i18next },
    rules: {
      'i18next/no-literal-string': [
        'error',
        {
          mode: 'jsx-only',
          'should-validate-template': true,
          message: 'A text goes through t()',
          words: { exclude: noTexts },
          'jsx-attributes': { include: [], exclude: ['className', 'keys', 'style', 'styles', 'viewBox'] },
        },
      ],
      // What that rule does not see: lone small words, and texts outside of JSX.
      'no-restricted-syntax': ['error', ...untranslated.map((selector) => ({ selector, message: 'A text goes through t().' }))],
    },
  },
  { files: ['src/lib/**'], rules: forbid('components', 'features', 'app') },
  { files: ['src/components/**'], rules: forbid('features', 'app') },
  ...features.map((name) => ({
    files: [`src/features/${name}/**`],
    rules: forbid('app', ...features.filter((other) => other !== name).map((other) => `features/${other}`)),
  })),
);

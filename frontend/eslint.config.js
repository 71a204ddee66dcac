import js from '@eslint/js';
import jsxA11y from 'eslint-plugin-jsx-a11y';
import reactHooks from 'eslint-plugin-react-hooks';
import globals from 'globals';
import tseslint from 'typescript-eslint';

const features = [
  'auth', 'account', 'projects', 'members', 'guidelines', 'data', 'labelling', 'review', 'models', 'refresh', 'jobs',
];

// Imports run lib <- components <- features <- app, and features do not import each other.
const forbid = (...folders) => ({
  'no-restricted-imports': ['error', { patterns: folders.map((folder) => ({ group: [`@/${folder}/**`] })) }],
});

export default tseslint.config(
  { ignores: ['dist', 'node_modules', 'src/lib/api/schema.d.ts'] },
  js.configs.recommended,
  ...tseslint.configs.strict,
  jsxA11y.flatConfigs.recommended,
  reactHooks.configs.flat.recommended,
  { languageOptions: { globals: globals.browser } },
  { files: ['src/lib/**'], rules: forbid('components', 'features', 'app') },
  { files: ['src/components/**'], rules: forbid('features', 'app') },
  ...features.map((name) => ({
    files: [`src/features/${name}/**`],
    rules: forbid('app', ...features.filter((other) => other !== name).map((other) => `features/${other}`)),
  })),
);

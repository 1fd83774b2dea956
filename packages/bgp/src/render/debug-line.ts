import type { BirdConfig } from '../bird-config.ts';

/** What a protocol tells of itself: `usual` at the usual severity. */
export function debugLine(debug: BirdConfig['debug'], usual: string): string[] {
  switch (debug) {
    case 'all':
      return ['  debug all;'];
    case 'states':
      return [`  debug { ${usual} };`];
    case 'none':
      return [];
  }
}

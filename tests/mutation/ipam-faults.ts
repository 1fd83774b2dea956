import type { Fault } from './faults.ts';

const ipam = 'packages/ipam/src';
const collector = 'packages/controllers/src/ipam-gc';

/** Faults of IPAM's protocol and of its garbage collector that the simulation in tests/ipam must notice. */
export const ipamFaults: readonly Fault[] = [
  {
    name: 'ipam: block before handle',
    file: `${ipam}/assignment.ts`,
    find: `      await this.#handles.increment(handle, cidr, count, surplus, { most, fresh });
      const ordinals = await this.#submit(cell, count, surplus, { ...job, epoch });`,
    replace: `      const ordinals = await this.#submit(cell, count, surplus, { ...job, epoch });
      await this.#handles.increment(handle, cidr, count, surplus, { most, fresh });`,
    noticedBy: `${ipam}/ipam.test.ts`,
  },
  {
    name: 'ipam: the address of a tunnel is taken over without a write',
    file: `${ipam}/tunnel-address.ts`,
    find: 'printAddr(present) === noted || (await ipam.takeOver(present, handle))',
    replace: 'printAddr(present) !== undefined',
    noticedBy: `${ipam}/ipam.test.ts`,
  },
  {
    name: 'ipam: a lost answer is not looked for',
    file: `${ipam}/assignment.ts`,
    find: 'return mine ? ordinals : undefined;',
    replace: 'return mine && later === undefined ? ordinals : undefined;',
    noticedBy: `${ipam}/crash.test.ts`,
  },
  {
    name: 'ipam: a lost answer is taken for done',
    file: `${ipam}/block-cell.ts`,
    find: 'if (done === undefined) again.push(job);',
    replace:
      'if (done === undefined && unknown) job.resolve(job.uncertain[0]?.outcome.result);\n      else if (done === undefined) again.push(job);',
    noticedBy: `${ipam}/crash.test.ts`,
  },
  {
    name: 'ipam: addresses are counted for a block that somebody else wrote since',
    file: `${ipam}/block-cell.ts`,
    find: 'if (job.epoch !== undefined && job.epoch !== this.#epoch) {',
    replace: 'if (job.epoch !== undefined && job.epoch !== job.epoch) {',
    noticedBy: `${ipam}/block-cell.test.ts`,
  },
  {
    name: 'ipam: release without handle and sequence check',
    file: `${ipam}/releases.ts`,
    find: 'groups.set(cell, [...(groups.get(cell) ?? []), request]);',
    replace: 'groups.set(cell, [...(groups.get(cell) ?? []), { address: request.address }]);',
    noticedBy: `${ipam}/ipam.test.ts`,
  },
  {
    name: 'ipam: the handle is deleted before the block is written',
    file: `${ipam}/releases.ts`,
    find: '      await Promise.all(blocks.map(block => this.#write(block, id, freed)));\n      await onFreed?.();\n      return (await this.#count(handle, new Map())) ? undefined : AGAIN;',
    replace:
      '      const counted = await this.#count(handle, new Map());\n      await Promise.all(blocks.map(block => this.#write(block, id, freed)));\n      await onFreed?.();\n      return counted ? undefined : AGAIN;',
    noticedBy: `${ipam}/ipam.test.ts`,
  },
  {
    name: 'ipam: addresses are called free before the block is written',
    file: `${ipam}/releases.ts`,
    find: '      await Promise.all(blocks.map(block => this.#write(block, id, freed)));\n      await onFreed?.();',
    replace: '      await onFreed?.();\n      await Promise.all(blocks.map(block => this.#write(block, id, freed)));',
    noticedBy: `${ipam}/ipam.test.ts`,
  },
  {
    name: 'ipam: a handle is settled without writing its blocks',
    file: `${ipam}/releases.ts`,
    find: 'const has = await this.#write(cidr(text), id, block => block);',
    replace:
      'const found = await this.#store.block(cidr(text));\n          const has = found === undefined ? 0 : ordinalsOfHandle(found, id).length;',
    noticedBy: 'tests/ipam/simulation.test.ts',
  },
  {
    name: 'ipam: a count in doubt is taken back twice',
    file: `${ipam}/handles.ts`,
    find: "if (outcome === 'unknown' && known?.spec.block[block] !== before) return undefined;",
    replace: '',
    noticedBy: `${ipam}/ipam.test.ts`,
  },
  {
    name: 'ipam: a count in doubt is taken for done',
    file: `${ipam}/handles.ts`,
    find: 'if (!isAlreadyExists(err) && !lostRace(err) && !isOutcomeUnknown(err)) throw err;',
    replace:
      'if (isOutcomeUnknown(err)) return undefined;\n        if (!isAlreadyExists(err) && !lostRace(err)) throw err;',
    noticedBy: `${ipam}/ipam.test.ts`,
  },
  {
    name: 'ipam: a block is deleted with its affinity, empty or not',
    file: `${ipam}/affinities.ts`,
    find: 'if (empty) await this.#store.remove(stored);',
    replace: 'if (empty || !conditions.requireEmpty) await this.#store.remove(stored);',
    noticedBy: `${ipam}/ipam.test.ts`,
  },
  {
    name: 'ipam: blocks are written whatever is stored',
    file: `${ipam}/block-cell.ts`,
    find: 'return await this.#store.update(nextSequence(draft));',
    replace:
      'return await this.#store.update(nextSequence({ ...draft, metadata: (await this.#store.block(this.cidr))?.metadata ?? draft.metadata }));',
    noticedBy: `${ipam}/race.test.ts`,
  },
  {
    name: 'ipam: memory is trusted when it says that nothing is to be done',
    file: `${ipam}/block-cell.ts`,
    find: 'const certain = draft === base && this.#lastAt > job.since;',
    replace: 'const certain = draft === base;',
    noticedBy: `${ipam}/block-cell.test.ts`,
  },
  {
    name: 'ipam: a released address stays in its attributes',
    file: `${ipam}/block.ts`,
    find: 'for (const ordinal of mine) allocations[ordinal] = index;',
    replace: 'for (const ordinal of mine.slice(1)) allocations[ordinal] = index;',
    noticedBy: `${ipam}/crash.test.ts`,
  },
  {
    name: 'ipam: the garbage collector ignores the grace period',
    file: `${collector}/collector.ts`,
    find: 'entry.confirmed = grace > 0 && now - entry.suspectSince > bound;',
    replace: 'entry.confirmed = grace > 0 && now - entry.suspectSince >= bound - bound;',
    noticedBy: `${collector}/garbage-collector.test.ts`,
  },
  {
    name: 'ipam: the garbage collector believes its watches',
    file: `${collector}/collect-garbage.ts`,
    find: "const back = leaks.filter(leak => confirmLeak(leak, anew) === 'kept');",
    replace: 'const back = leaks.filter(leak => confirmLeak(leak, anew) === undefined);',
    noticedBy: `${collector}/garbage-collector.test.ts`,
  },
  {
    name: 'ipam: the garbage collector releases whoever has the address by now',
    file: `${collector}/collect-garbage.ts`,
    find: 'return { address, handle, ...(sequenceNumber === undefined ? {} : { sequenceNumber }) };',
    replace: 'return { address };',
    noticedBy: 'tests/ipam/simulation.test.ts',
  },
  {
    name: 'ipam: handles that a crash left are not looked for',
    file: `${collector}/handle-sweep.ts`,
    find: 'if (over || counts.length === 0) found.set',
    replace: 'if (counts.length === 0) found.set',
    noticedBy: `${collector}/handle-sweep.test.ts`,
  },
];

import type { Static } from 'typebox';
import { flag, integer, lazy, list, listMap, mergedBy, object, oneOf, open, text, time } from '../../schema/build.ts';

const containerStatus = lazy(() =>
  object(
    { name: text() },
    {
      ready: flag(),
      restartCount: integer({ format: 'int32' }),
      image: text(),
      imageID: text(),
      containerID: text(),
      started: flag(),
      state: open({
        running: open({ startedAt: time() }),
        waiting: open({ reason: text(), message: text() }),
        terminated: open({
          reason: text(),
          message: text(),
          exitCode: integer(),
          signal: integer(),
          startedAt: time(),
          finishedAt: time(),
        }),
      }),
      lastState: open({ terminated: open({ finishedAt: time() }) }),
      resources: open(),
      allocatedResources: open(),
      allocatedResourcesStatus: list(open()),
      volumeMounts: list(open()),
      user: open(),
      stopSignal: text(),
    },
  ),
);

const condition = lazy(() =>
  object(
    { type: text(), status: text() },
    {
      reason: text(),
      message: text(),
      lastProbeTime: time(),
      lastTransitionTime: time(),
      observedGeneration: integer({ format: 'int64' }),
    },
  ),
);

/** What is observed of a pod. */
export const podStatus = lazy(() =>
  object(
    {},
    {
      phase: oneOf(['Pending', 'Running', 'Succeeded', 'Failed', 'Unknown']),
      conditions: listMap(condition(), ['type'], mergedBy('type')),
      message: text(),
      reason: text(),
      nominatedNodeName: text(),
      hostIP: text(),
      hostIPs: list(open({ ip: text() }), mergedBy('ip')),
      podIP: text(),
      podIPs: listMap(object({ ip: text() }), ['ip'], mergedBy('ip')),
      startTime: time(),
      initContainerStatuses: list(containerStatus()),
      containerStatuses: list(containerStatus()),
      ephemeralContainerStatuses: list(containerStatus()),
      qosClass: text(),
      resize: text(),
      resourceClaimStatuses: list(open()),
      extendedResourceClaimStatus: open(),
      observedGeneration: integer({ format: 'int64' }),
      resources: open(),
      allocatedResources: open(),
    },
  ),
);

export type PodStatus = Static<ReturnType<typeof podStatus>>;
export type ContainerStatus = Static<ReturnType<typeof containerStatus>>;
export type PodCondition = Static<ReturnType<typeof condition>>;

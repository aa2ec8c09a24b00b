/* Which workload a Kubernetes pod belongs to, as its name tells. */
#ifndef FLEETPROF_CORE_WORKLOAD_H
#define FLEETPROF_CORE_WORKLOAD_H

#include <stddef.h>

/*
 * Kubernetes' controllers name pods NAME-HASH-XXXXX (Deployment), NAME-XXXXX (DaemonSet, Job), NAME-TIME-XXXXX (CronJob)
 * and NAME-N (StatefulSet); random parts are of an alphabet without vowels and 0, 1, 3 (apimachinery's util/rand).
 * Writes NAME, or the whole name if it has no such end; "" for "". Pure.
 */
void workload_of_pod(const char *pod, char *out, size_t size);

#endif

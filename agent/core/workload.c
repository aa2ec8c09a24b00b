/* Which workload a pod belongs to. */
#include "agent/core/workload.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define RANDOM "bcdfghjklmnpqrstvwxz2456789"
#define DIGITS "0123456789"
#define RANDOM_LEN 5
#define HASH_LEN_MIN 6 /* of a ReplicaSet: a 32-bit number, written in RANDOM's letters */
#define HASH_LEN_MAX 10
#define TIME_LEN_MIN 8 /* of a CronJob's Job: minutes since 1970 */

/* Cuts the last part off if it has min to max letters of the set. */
static bool cut_last(const char *name, size_t *len, const char *set, size_t min, size_t max)
{
	const char *dash = memrchr(name, '-', *len);
	size_t part;

	if (!dash || dash == name)
		return false;
	part = *len - (size_t)(dash + 1 - name);
	if (part < min || part > max || strspn(dash + 1, set) < part)
		return false;
	*len = (size_t)(dash - name);
	return true;
}

void workload_of_pod(const char *pod, char *out, size_t size)
{
	size_t len = strlen(pod);

	if (cut_last(pod, &len, RANDOM, RANDOM_LEN, RANDOM_LEN)) {
		if (!cut_last(pod, &len, DIGITS, TIME_LEN_MIN, SIZE_MAX))
			cut_last(pod, &len, RANDOM, HASH_LEN_MIN, HASH_LEN_MAX);
	} else {
		cut_last(pod, &len, DIGITS, 1, SIZE_MAX);
	}
	snprintf(out, size, "%.*s", (int)len, pod);
}

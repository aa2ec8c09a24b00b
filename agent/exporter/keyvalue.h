/*
 * Options with several parts: "type=pyroscope,url=http://…,tenant=a". A comma within a value is doubled.
 *
 * Pure. The text comes from the agent's settings.
 */
#ifndef FLEETPROF_EXPORTER_KEYVALUE_H
#define FLEETPROF_EXPORTER_KEYVALUE_H

#include "agent/base/err.h"

#define KEYVALUE_MAX 4096 /* bytes of one key and its value */

/* key and value are valid during the call. Returns 0, or a negative errno with err set, which ends the walk. */
typedef int (*keyvalue_fn)(const char *key, const char *value, void *userdata, struct err *err);

/* Calls fn for each part. 0, what fn returned, or -EINVAL for a part without "=" or one that is too long. */
int keyvalue_parse(const char *text, keyvalue_fn fn, void *userdata, struct err *err);

#endif

/*
 * A profile as a file for speedscope (https://www.speedscope.app/file-format-schema.json): one sampled profile per owner,
 * weights in nanoseconds of CPU time. Without any I/O.
 */
#ifndef FLEETPROF_PROTO_SPEEDSCOPE_H
#define FLEETPROF_PROTO_SPEEDSCOPE_H

#include "agent/base/buf.h"
#include "proto/profile.h"

/* Appends; -ENOMEM, -ENOSPC at the buffer's bound. Every string is valid JSON whatever its bytes. */
int speedscope_write(const struct profile *p, const char *title, struct buf *out);

#endif

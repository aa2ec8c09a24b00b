/* What `record` makes for people: each writer turns a profile into bytes, without any I/O. */
#ifndef FLEETPROF_CORE_OUTPUT_H
#define FLEETPROF_CORE_OUTPUT_H

#include "agent/base/buf.h"
#include "proto/profile.h"

/* A self-contained HTML page: the flame graph with its data; no network, CSP with the script's hash. */
int output_html(const struct profile *p, const char *title, struct buf *out);

/* For a terminal: top functions by self and total, owners, losses. width in columns; colour: ANSI SGR. */
int output_summary(const struct profile *p, size_t top, size_t width, bool colour, struct buf *out);

#endif

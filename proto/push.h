/*
 * Pyroscope's push message, of one series with one profile: field numbers as published in its API
 * (github.com/grafana/pyroscope/api, push/v1/push.proto, types/v1/types.proto).
 *
 *   PushRequest { RawProfileSeries series = 1 }
 *   RawProfileSeries { LabelPair labels = 1 (repeated); RawSample samples = 2 }
 *   LabelPair { string name = 1; string value = 2 }     RawSample { bytes raw_profile = 1 }
 */
#ifndef FLEETPROF_PROTO_PUSH_H
#define FLEETPROF_PROTO_PUSH_H

#include "agent/base/buf.h"

/* Each adds bytes; the buffer's sticky error tells of a failure. Strings are valid UTF-8. */
void push_put_label(struct buf *labels, const char *name, const char *value);

/* labels: what push_put_label() made. pprof: compressed or not. */
void push_put_request(struct buf *out, const struct buf *labels, const struct buf *pprof);

#endif

/* Answers as bytes: written in the sandboxed child, checked and read in the core. */
#ifndef FLEETPROF_SYMBOLIZER_CODEC_H
#define FLEETPROF_SYMBOLIZER_CODEC_H

#include "agent/base/buf.h"
#include "symbolizer/client.h"

int codec_encode_frames(const struct symbolizer_result *result, struct buf *out);

/*
 * Checks every count, index and string of size bytes at data. The result's strings point into data, which must stay;
 * codec_result_deinit() frees the rest. Returns 0, -EBADMSG or -ENOMEM.
 */
int codec_decode_frames(const void *data, size_t size, size_t nr_expected,
			struct symbolizer_result *ret);
void codec_result_deinit(struct symbolizer_result *result);

int codec_encode_containers(const struct symclient_container *containers, size_t nr,
			    struct buf *out);
/* *ret is allocated; its strings point into data. */
int codec_decode_containers(const void *data, size_t size, struct symclient_container **ret,
			    size_t *ret_nr);

#endif

/*
 * Container names out of the runtimes' own metadata files; only names, images and Kubernetes' labels are copied.
 *
 * Docker's containers/ID/config.v2.json, containers/storage's overlay-containers/containers.json (podman, CRI-O) and an
 * OCI bundle's config.json (containerd). Library-private; runs in the sandbox.
 */
#ifndef FLEETPROF_SYMBOLIZER_CONTAINERS_H
#define FLEETPROF_SYMBOLIZER_CONTAINERS_H

#include "agent/base/buf.h"

/* Parses size bytes of JSON into an encoded answer (symbolizer/codec.h). Returns 0, -EBADMSG or -ENOMEM. */
int containers_parse(const char *json, size_t size, struct buf *out);

/* The same for an open file of at most CONTAINERS_FILE_MAX bytes. */
#define CONTAINERS_FILE_MAX (16u << 20)
int containers_parse_file(int fd, struct buf *out);

#endif

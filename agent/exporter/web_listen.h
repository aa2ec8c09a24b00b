/* Addresses to listen on: "127.0.0.1:4344", "[::1]:4344", "localhost:4344"; port 0 lets the kernel choose. */
#ifndef FLEETPROF_EXPORTER_WEB_LISTEN_H
#define FLEETPROF_EXPORTER_WEB_LISTEN_H

#include "agent/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 0, or -EINVAL with err set. */
int web_listen_check(const char *text, bool *ret_loopback, struct err *err);

/* The port of an address that was checked. */
uint16_t web_listen_port(const char *text);

/* A listening socket, and where it does ("127.0.0.1:4344"). 0, or -errno with err set. */
int web_listen(const char *text, int *ret_fd, char *ret_address, size_t size, struct err *err);

#endif

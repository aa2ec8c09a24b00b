/* Where a server is: http(s)://HOST[:PORT][/PATH], as the settings have it. Pure. */
#ifndef FLEETPROF_EXPORTER_HTTP_URL_H
#define FLEETPROF_EXPORTER_HTTP_URL_H

#include <stdbool.h>
#include <stdint.h>

/* Credentials, queries and fragments are refused. 0, -EINVAL or -ENOMEM; ret_host is allocated, and may be NULL. */
int http_url_parse(const char *url, bool *ret_tls, char **ret_host, uint16_t *ret_port);

#endif

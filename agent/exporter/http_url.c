/* Where a server is. */
#include "agent/exporter/http_url.h"
#include "agent/base/sys.h"

#include <errno.h>
#include <string.h>

int http_url_parse(const char *url, bool *ret_tls, char **ret_host, uint16_t *ret_port)
{
	const char *s, *end, *colon;
	char port[8] = "";
	uint64_t v;

	*ret_tls = !strncmp(url, "https://", 8);
	if (!*ret_tls && strncmp(url, "http://", 7))
		return -EINVAL;
	s = url + (*ret_tls ? 8 : 7);
	end = s + strcspn(s, "/");
	if (end == s || strpbrk(url, "?# \\") || memchr(s, '@', (size_t)(end - s)))
		return -EINVAL;
	colon = end;
	while (colon > s && colon[-1] >= '0' && colon[-1] <= '9')
		colon--;
	v = *ret_tls ? 443 : 80;
	if (colon > s && colon < end && colon[-1] == ':') {
		snprintf(port, sizeof(port), "%.*s", (int)MIN(end - colon, 6), colon);
		if (sys_parse_u64(port, 10, 1, UINT16_MAX, &v) < 0)
			return -EINVAL;
		end = colon - 1;
	}
	/* an IPv6 address stands in brackets, and nothing else has a colon */
	if (end == s || (*s != '[' && memchr(s, ':', (size_t)(end - s))))
		return -EINVAL;
	*ret_port = (uint16_t)v;
	if (!ret_host)
		return 0;
	*ret_host = strndup(s, (size_t)(end - s));
	return *ret_host ? 0 : -ENOMEM;
}

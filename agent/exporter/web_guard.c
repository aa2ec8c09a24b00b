/* The checks of a request's headers. */
#include "agent/exporter/web_guard.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

#define HOST_MAX 255
#define SCHEME "http://"

/* "name:port", "1.2.3.4:port", "[::1]:port", each with or without port → the name, without brackets. */
static bool split_host(const char *host, char name[HOST_MAX + 1], bool *ret_v6)
{
	bool v6 = host[0] == '[';
	size_t len = v6 ? strcspn(host, "]") : strcspn(host, ":");
	const char *rest = host + len + v6;

	if (v6 ? host[len] != ']' : len == 0)
		return false;
	host += v6;
	len -= v6;
	if (len > HOST_MAX)
		return false;
	memcpy(name, host, len);
	name[len] = '\0';
	if (*rest == ':') {
		size_t digits = strspn(rest + 1, "0123456789");

		if (!digits || digits > 5)
			return false;
		rest += 1 + digits;
	}
	*ret_v6 = v6;
	return *rest == '\0';
}

bool web_host_is_ours(const struct web_hosts *hosts, const char *host)
{
	char name[HOST_MAX + 1];
	struct in6_addr six;
	struct in_addr four;
	bool v6;

	if (!host || !split_host(host, name, &v6))
		return false;
	if (v6)
		return inet_pton(AF_INET6, name, &six) == 1 &&
		       (hosts->any_address || IN6_IS_ADDR_LOOPBACK(&six));
	if (!strcmp(name, "127.0.0.1") || !strcasecmp(name, "localhost"))
		return true;
	if (hosts->any_address && inet_pton(AF_INET, name, &four) == 1)
		return true;
	for (size_t i = 0; i < hosts->nr_names; i++) {
		if (!strcasecmp(name, hosts->names[i]))
			return true;
	}
	return false;
}

bool web_origin_is_ours(const char *origin, const char *host)
{
	if (!origin)
		return true;
	return host && !strncmp(origin, SCHEME, strlen(SCHEME)) &&
	       !strcasecmp(origin + strlen(SCHEME), host);
}

bool web_site_is_ours(const char *site)
{
	return !site || !strcmp(site, "same-origin") || !strcmp(site, "none");
}

bool web_token_fits(const char *authorization, const char *token)
{
	static const char scheme[] = "Bearer ";
	const size_t len = strlen(token);
	unsigned char differs = 0;

	if (!len || !authorization || strncasecmp(authorization, scheme, strlen(scheme)) != 0)
		return false;
	authorization += strlen(scheme);
	if (strlen(authorization) != len)
		return false;
	for (size_t i = 0; i < len; i++)
		differs |= (unsigned char)(authorization[i] ^ token[i]);
	return differs == 0;
}

bool web_accepts_gzip(const char *accept)
{
	const char *gzip = accept ? strcasestr(accept, "gzip") : NULL;

	if (!gzip)
		return false;
	gzip += strlen("gzip");
	gzip += strspn(gzip, " ");
	/* "gzip;q=0" refuses it; any other weight allows it */
	if (*gzip != ';')
		return *gzip == '\0' || *gzip == ',';
	gzip += 1 + strspn(gzip + 1, " ");
	if (strncasecmp(gzip, "q=", 2) != 0)
		return false;
	return strspn(gzip + 2, "0.") < strcspn(gzip + 2, ", ");
}

/* Addresses to listen on. */
#include "agent/exporter/web_listen.h"
#include "agent/base/sys.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#define BACKLOG 64

struct address {
	union {
		struct sockaddr any;
		struct sockaddr_in four;
		struct sockaddr_in6 six;
	};
	socklen_t len;
	bool loopback;
};

static int parse(const char *text, struct address *ret, struct err *err)
{
	const char *colon = strrchr(text, ':');
	_cleanup_(freep) char *host = colon ? strndup(text, (size_t)(colon - text)) : NULL;
	size_t len = host ? strlen(host) : 0;
	uint64_t port;

	*ret = (struct address) { .len = 0 };
	if (!host || sys_parse_u64(colon + 1, 10, 0, UINT16_MAX, &port) < 0)
		return err_set(err, -EINVAL, "%s: not ADDRESS:PORT (127.0.0.1:4344)", text);
	if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = '\0';
		ret->six.sin6_family = AF_INET6;
		ret->six.sin6_port = htons((uint16_t)port);
		ret->len = sizeof(ret->six);
		if (inet_pton(AF_INET6, host + 1, &ret->six.sin6_addr) != 1)
			return err_set(err, -EINVAL, "%s: not an IPv6 address", text);
		ret->loopback = IN6_IS_ADDR_LOOPBACK(&ret->six.sin6_addr);
		return 0;
	}
	ret->four.sin_family = AF_INET;
	ret->four.sin_port = htons((uint16_t)port);
	ret->len = sizeof(ret->four);
	if (inet_pton(AF_INET, strcmp(host, "localhost") ? host : "127.0.0.1",
		      &ret->four.sin_addr) != 1)
		return err_set(err, -EINVAL,
			       "%s: not an address (127.0.0.1:4344, [::1]:4344, localhost:4344)",
			       text);
	ret->loopback = ntohl(ret->four.sin_addr.s_addr) >> 24 == 127;
	return 0;
}

int web_listen_check(const char *text, bool *ret_loopback, struct err *err)
{
	struct address address;
	int r = parse(text, &address, err);

	if (r == 0)
		*ret_loopback = address.loopback;
	return r;
}

uint16_t web_listen_port(const char *text)
{
	struct address address;

	if (parse(text, &address, NULL) < 0)
		return 0;
	return ntohs(address.any.sa_family == AF_INET6 ? address.six.sin6_port
						       : address.four.sin_port);
}

static void format(const struct address *a, char *out, size_t size)
{
	char host[INET6_ADDRSTRLEN] = "";
	bool six = a->any.sa_family == AF_INET6;

	if (six)
		inet_ntop(AF_INET6, &a->six.sin6_addr, host, sizeof(host));
	else
		inet_ntop(AF_INET, &a->four.sin_addr, host, sizeof(host));
	snprintf(out, size, six ? "[%s]:%u" : "%s:%u", host,
		 ntohs(six ? a->six.sin6_port : a->four.sin_port));
}

int web_listen(const char *text, int *ret_fd, char *ret_address, size_t size, struct err *err)
{
	_cleanup_(closep) int fd = -1;
	struct address address;
	int r = parse(text, &address, err), one = 1;

	if (r < 0)
		return r;
	fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(err, err_last(), "cannot listen on %s", text);
	/* an exporter that is started again must not wait for its predecessor's connections to be forgotten */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, &address.any, address.len) < 0 || listen(fd, BACKLOG) < 0) {
		r = err_last();
		return r == -EADDRINUSE
			       ? err_set(err, r,
					 "cannot listen on %s: another program does; stop it, or set "
					 "web.listen to another port",
					 text)
			       : err_errno(err, r, "cannot listen on %s", text);
	}
	if (getsockname(fd, &address.any, &address.len) < 0)
		return err_errno(err, err_last(), "cannot listen on %s", text);
	format(&address, ret_address, size);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

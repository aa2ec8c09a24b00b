/* What no single setting can know: how they fit together. */
#include "agent/core/config_internal.h"
#include "agent/base/clock.h"
#include "agent/base/sys.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#define MINUTE (60 * NSEC_PER_SEC)

static int check_windows(const struct config *c, struct err *err)
{
	if (MINUTE % c->window_ns && c->window_ns % MINUTE)
		return err_set(err, -EINVAL,
			       "window: a minute must be a whole number of windows, or a window of "
			       "minutes (10s, 15s, 20s, 30s, 60s, 2m …)");
	if (c->watch_window_ns > c->window_ns || c->window_ns % c->watch_window_ns)
		return err_set(err, -EINVAL,
			       "watch_window: window must be a whole number of them (10s of 60s)");
	return 0;
}

/* "127.0.0.1:4344", "[::1]:4344", "localhost:4344" */
static int parse_listen(const char *what, const char *listen, bool *ret_loopback, struct err *err)
{
	const char *colon = strrchr(listen, ':');
	_cleanup_(freep) char *host = colon ? strndup(listen, (size_t)(colon - listen)) : NULL;
	struct in6_addr v6;
	struct in_addr v4;
	size_t len = host ? strlen(host) : 0;
	uint64_t port;

	if (!colon || sys_parse_u64(colon + 1, 10, 0, UINT16_MAX, &port) < 0)
		return err_set(err, -EINVAL, "%s: \"%s\" is not ADDRESS:PORT (127.0.0.1:4344)",
			       what, listen);
	if (!host)
		return -ENOMEM;
	if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = '\0';
		if (inet_pton(AF_INET6, host + 1, &v6) != 1)
			return err_set(err, -EINVAL, "%s: \"%s\" is not an IPv6 address", what,
				       host + 1);
		*ret_loopback = IN6_IS_ADDR_LOOPBACK(&v6);
	} else if (!strcmp(host, "localhost")) {
		*ret_loopback = true;
	} else if (inet_pton(AF_INET, host, &v4) == 1) {
		*ret_loopback = ntohl(v4.s_addr) >> 24 == 127;
	} else {
		return err_set(err, -EINVAL,
			       "%s: \"%s\" is not an address (127.0.0.1, [::1], localhost)", what,
			       host);
	}
	return 0;
}

static int check_listen(const struct config *c, struct err *err)
{
	bool loopback, ignored;
	int r = parse_listen("web.listen", c->web.listen, &loopback, err);

	if (!r && *c->web.metrics_listen)
		r = parse_listen("web.metrics_listen", c->web.metrics_listen, &ignored, err);
	if (!r && !loopback && !c->web.allow_remote)
		return err_set(err, -EINVAL,
			       "web.listen: %s can be reached from elsewhere; if that is meant, "
			       "set web.allow_remote: true",
			       c->web.listen);
	return r;
}

/* Prometheus' data model: [a-zA-Z_][a-zA-Z0-9_]*; two underscores in front are for internal ones. */
static bool is_label_name(const char *name)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";

	return strchr(first, *name) && *name &&
	       !name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
				  "0123456789")];
}

static int check_labels(const struct config *c, struct err *err)
{
	for (size_t i = 0; i < c->labels.nr; i++) {
		const char *name = c->labels.items[i].name;

		if (!is_label_name(name) || !strncmp(name, "__", 2))
			return err_set(
				err, -EINVAL,
				"labels: \"%s\" is not a label's name (letters, digits and _, "
				"no digit and no __ in front)",
				name);
	}
	return 0;
}

static bool is_secret_header(const char *name)
{
	static const char *const secret[] = { "authorization", "cookie", "token",
					      "secret",        "passw",  "api-key" };

	for (size_t i = 0; i < ARRAY_SIZE(secret); i++) {
		if (strcasestr(name, secret[i]))
			return true;
	}
	return false;
}

static bool is_header_name(const char *name)
{
	return *name && !name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-"
					   "0123456789")];
}

static int check_headers(const struct config_upload *u, struct err *err)
{
	for (size_t i = 0; i < u->headers.nr; i++) {
		const char *name = u->headers.items[i].name;

		if (!is_header_name(name))
			return err_set(err, -EINVAL, "headers: \"%s\" is not a header's name",
				       name);
		if (is_secret_header(name))
			return err_set(
				err, -EINVAL,
				"headers: %s looks like a secret, which would be seen in the "
				"list of processes; put it into headers_file, token_file or "
				"basic.password_file",
				name);
	}
	return 0;
}

static int check_url(const char *what, const char *url, struct err *err)
{
	const char *host = !strncmp(url, "http://", 7)    ? url + 7
			   : !strncmp(url, "https://", 8) ? url + 8
							  : NULL;

	if (!host || !*host || *host == '/')
		return err_set(err, -EINVAL, "%s: not http://HOST… or https://HOST…", what);
	if (memchr(host, '@', strcspn(host, "/")))
		return err_set(err, -EINVAL,
			       "%s: no user and password in it, please: use basic.user and "
			       "basic.password_file",
			       what);
	if (strpbrk(url, "?# \\"))
		return err_set(err, -EINVAL, "%s: holds a ?, #, \\ or space", what);
	return 0;
}

static int check_upload(const struct config_upload *u, struct err *err)
{
	bool tls = !strncmp(u->url, "https://", 8);
	int r = check_url("url", u->url, err);

	if (!r && *u->proxy)
		r = check_url("proxy", u->proxy, err);
	if (r)
		return r;
	if (!*u->basic.user != !*u->basic.password_file)
		return err_set(err, -EINVAL, "basic.user and basic.password_file belong together");
	if (*u->basic.user && *u->token_file)
		return err_set(err, -EINVAL, "basic and token_file exclude each other");
	if (!*u->tls.cert != !*u->tls.key)
		return err_set(err, -EINVAL, "tls.cert and tls.key belong together");
	if (!tls && (*u->tls.ca || *u->tls.cert))
		return err_set(err, -EINVAL, "tls: the url is not https://");
	return check_headers(u, err);
}

static int check_debuginfod(const struct config *c, struct err *err)
{
	for (size_t i = 0; i < c->debuginfod.urls.nr; i++) {
		struct err what = ERR_NULL;
		const char *url = c->debuginfod.urls.items[i];

		if (check_url(url, url, &what) < 0)
			return err_set(err, -EINVAL, "debuginfod.urls: %s", what.text);
	}
	return 0;
}

static const char *name_of(const struct config_upload *u)
{
	return *u->name ? u->name : "pyroscope";
}

static int check_uploads(const struct config *c, struct err *err)
{
	for (size_t i = 0; i < c->upload.nr; i++) {
		struct err what = ERR_NULL;

		if (check_upload(&c->upload.items[i], &what) < 0)
			return err_set(err, -EINVAL, "upload, entry %zu: %s", i + 1, what.text);
		for (size_t j = 0; j < i; j++) {
			if (!strcmp(name_of(&c->upload.items[i]), name_of(&c->upload.items[j])))
				return err_set(
					err, -EINVAL,
					"upload, entries %zu and %zu are both called \"%s\": "
					"give each a name",
					j + 1, i + 1, name_of(&c->upload.items[i]));
		}
	}
	return 0;
}

static int check_relabel(const struct config_relabel *rule, struct err *err)
{
	enum config_relabel_action a = (enum config_relabel_action)rule->action;
	bool wants_target = a == CONFIG_RELABEL_REPLACE || a == CONFIG_RELABEL_HASHMOD ||
			    a == CONFIG_RELABEL_KEEPEQUAL || a == CONFIG_RELABEL_DROPEQUAL ||
			    a == CONFIG_RELABEL_LOWERCASE || a == CONFIG_RELABEL_UPPERCASE;

	for (size_t i = 0; i < rule->source_labels.nr; i++) {
		if (!is_label_name(rule->source_labels.items[i]))
			return err_set(err, -EINVAL, "source_labels: \"%s\" is not a label's name",
				       rule->source_labels.items[i]);
	}
	if (wants_target && !*rule->target_label)
		return err_set(err, -EINVAL, "its target_label is missing");
	if ((a == CONFIG_RELABEL_KEEP || a == CONFIG_RELABEL_DROP) && !rule->source_labels.nr)
		return err_set(err, -EINVAL, "its source_labels are missing");
	if ((a == CONFIG_RELABEL_HASHMOD) != (rule->modulus > 0))
		return err_set(err, -EINVAL,
			       "modulus goes with action hashmod, and it with modulus");
	return 0;
}

int config_check(const struct config *c, struct err *err)
{
	struct err what = ERR_NULL;
	int r = check_windows(c, err);

	if (!r)
		r = check_listen(c, err);
	if (!r)
		r = check_labels(c, err);
	if (!r)
		r = check_debuginfod(c, err);
	if (!r)
		r = check_uploads(c, err);
	for (size_t i = 0; i < c->relabel.nr && !r; i++) {
		if (check_relabel(&c->relabel.items[i], &what) < 0)
			r = err_set(err, -EINVAL, "relabel, entry %zu: %s", i + 1, what.text);
	}
	return r;
}

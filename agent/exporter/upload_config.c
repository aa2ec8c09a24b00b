/* The parts of --upload. */
#include "agent/exporter/upload_config.h"
#include "agent/base/clock.h"
#include "agent/base/sys.h"
#include "agent/exporter/http_url.h"
#include "agent/exporter/keyvalue.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

/*
 * Pyroscope takes what is younger than an hour; a minute of it is for the way there. Its limits are 4 MiB, 16,000
 * samples and a burst of 2 MiB.
 */
#define MAX_AGE_NS (59 * 60 * NSEC_PER_SEC)
#define TIMEOUT_NS (15 * NSEC_PER_SEC)
#define RETRY_MAX_NS (60 * NSEC_PER_SEC)
#define CATCHUP_DELAY_NS (60 * NSEC_PER_SEC)
#define CATCHUP 2
#define BYTES_PER_S (32u << 10)
#define REQUESTS_PER_S 2
#define TENANT_MAX 150 /* as the back ends' own */
#define MAX_SAMPLES 8000 /* half of it: a profile is made at once, and the loop waits for it */
#define MAX_BYTES 1992294u /* 1.9 MiB */

enum kind { TEXT, PATH, HEADER, NUMBER32, SECONDS, FRACTION, TYPE };

static const struct part {
	const char *key;
	enum kind kind;
	size_t offset;
	uint64_t min, max;
} parts[] = {
	{ "type", TYPE },
	{ "name", TEXT, offsetof(struct upload_config, name) },
	{ "url", TEXT, offsetof(struct upload_config, url) },
	{ "proxy", TEXT, offsetof(struct upload_config, proxy) },
	{ "username", TEXT, offsetof(struct upload_config, username) },
	{ "password-file", PATH, offsetof(struct upload_config, password_file) },
	{ "token-file", PATH, offsetof(struct upload_config, token_file) },
	{ "tenant", TEXT, offsetof(struct upload_config, tenant) },
	{ "header", HEADER },
	{ "header-file", PATH, offsetof(struct upload_config, header_file) },
	{ "ca-file", PATH, offsetof(struct upload_config, ca_file) },
	{ "cert-file", PATH, offsetof(struct upload_config, cert_file) },
	{ "key-file", PATH, offsetof(struct upload_config, key_file) },
	{ "max-age", SECONDS, offsetof(struct upload_config, max_age_ns), 60, 7 * 86400 },
	{ "timeout", SECONDS, offsetof(struct upload_config, timeout_ns), 1, 300 },
	{ "retry-max", SECONDS, offsetof(struct upload_config, retry_max_ns), 1, 3600 },
	{ "catchup-delay", SECONDS, offsetof(struct upload_config, catchup_delay_ns), 0, 3600 },
	{ "catchup", NUMBER32, offsetof(struct upload_config, catchup), 2, 1000 },
	{ "bytes-per-second", NUMBER32, offsetof(struct upload_config, bytes_per_s), 256,
	  1u << 30 },
	{ "requests-per-second", NUMBER32, offsetof(struct upload_config, requests_per_s), 1,
	  10000 },
	{ "fraction", FRACTION, offsetof(struct upload_config, fraction_ppm) },
	{ "max-samples", NUMBER32, offsetof(struct upload_config, max_samples), 16, 1u << 20 },
	{ "max-bytes", NUMBER32, offsetof(struct upload_config, max_bytes), 64u << 10, 64u << 20 },
};

/* Headers that carry a secret, or that are ours to set. */
static const char *const forbidden_headers[] = { "authorization",
						 "proxy-authorization",
						 "cookie",
						 "host",
						 "content-length",
						 "content-type",
						 "transfer-encoding",
						 "connection",
						 "content-encoding",
						 "expect" };

static bool is_printable(const char *s)
{
	for (; *s; s++) {
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return false;
	}
	return true;
}

static int set_text(char **field, const char *key, const char *value, struct err *err)
{
	if (!value[0] || !is_printable(value))
		return err_set(err, -EINVAL, "%s: empty, or with control characters", key);
	free(*field);
	*field = strdup(value);
	return *field ? 0 : -ENOMEM;
}

bool upload_config_is_header(const char *line)
{
	size_t len = strcspn(line, ":");

	if (!len || line[len] != ':' || !is_printable(line) ||
	    strspn(line, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != len)
		return false;
	return true;
}

static int add_header(struct upload_config *c, const char *value, struct err *err)
{
	size_t len = strcspn(value, ":");

	if (!upload_config_is_header(value))
		return err_set(err, -EINVAL, "header=%s: not \"Name: value\"", value);
	for (size_t i = 0; i < ARRAY_SIZE(forbidden_headers); i++) {
		if (strlen(forbidden_headers[i]) == len &&
		    !strncasecmp(value, forbidden_headers[i], len))
			return err_set(err, -EINVAL,
				       "header=%.*s: not here (secrets come from token-file, "
				       "password-file or header-file)",
				       (int)len, value);
	}
	if (c->nr_headers == UPLOAD_MAX_HEADERS)
		return err_set(err, -EINVAL, "more than %d headers", UPLOAD_MAX_HEADERS);
	c->headers[c->nr_headers] = strdup(value);
	return c->headers[c->nr_headers++] ? 0 : -ENOMEM;
}

/* "0.25" or "1" as millionths. */
static int parse_fraction(const char *s, uint32_t *ret)
{
	uint32_t v = 0, unit = UPLOAD_PPM;
	size_t digits;

	if (s[0] != '0' && s[0] != '1')
		return -EINVAL;
	v = (uint32_t)(*s++ - '0') * UPLOAD_PPM;
	if (*s == '.') {
		s++;
		digits = strspn(s, "0123456789");
		if (!digits || digits > 6)
			return -EINVAL;
		for (; digits; digits--)
			v += (uint32_t)(*s++ - '0') * (unit /= 10);
	}
	if (*s || v > UPLOAD_PPM)
		return -EINVAL;
	*ret = v;
	return 0;
}

static int parse_number(const struct part *p, const char *value, uint64_t *ret, struct err *err)
{
	if (sys_parse_u64(value, 10, p->min, p->max, ret) < 0)
		return err_set(err, -EINVAL, "%s=%s: not a number from %" PRIu64 " to %" PRIu64,
			       p->key, value, p->min, p->max);
	return 0;
}

static int set_part(struct upload_config *c, const struct part *p, const char *value,
		    struct err *err)
{
	void *field = (char *)c + p->offset;
	uint64_t v = 0;
	int r = 0;

	switch (p->kind) {
	case PATH:
		if (value[0] != '/')
			return err_set(err, -EINVAL, "%s=%s: not an absolute path", p->key, value);
		return set_text(field, p->key, value, err);
	case TEXT:
		return set_text(field, p->key, value, err);
	case HEADER:
		return add_header(c, value, err);
	case NUMBER32:
		r = parse_number(p, value, &v, err);
		if (r == 0)
			*(uint32_t *)field = (uint32_t)v;
		return r;
	case SECONDS:
		r = parse_number(p, value, &v, err);
		if (r == 0)
			*(uint64_t *)field = v * NSEC_PER_SEC;
		return r;
	case FRACTION:
		if (parse_fraction(value, field) < 0)
			return err_set(err, -EINVAL, "fraction=%s: not a number from 0 to 1",
				       value);
		return 0;
	case TYPE:
		if (strcmp(value, "pyroscope"))
			return err_set(err, -EINVAL, "type=%s: unknown (pyroscope)", value);
		return 0;
	}
	return -EINVAL;
}

static int on_part(const char *key, const char *value, void *userdata, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		if (!strcmp(parts[i].key, key))
			return set_part(userdata, &parts[i], value, err);
	}
	return err_set(err, -EINVAL, "%s: unknown", key);
}

static int check_url(struct upload_config *c, struct err *err)
{
	_cleanup_(freep) char *host = NULL;
	size_t len;
	bool tls;

	if (!c->url)
		return err_set(err, -EINVAL, "url is missing");
	len = strlen(c->url);
	while (len && c->url[len - 1] == '/')
		c->url[--len] = '\0';
	if (http_url_parse(c->url, &c->tls, &c->host, &c->port) < 0)
		return err_set(err, -EINVAL,
			       "url: not http(s)://HOST[:PORT][/PATH] (credentials come from "
			       "password-file or token-file)");
	if (c->proxy && http_url_parse(c->proxy, &tls, &host, &c->port) < 0)
		return err_set(err, -EINVAL, "proxy: not http(s)://HOST[:PORT]");
	return 0;
}

static int check(struct upload_config *c, struct err *err)
{
	int r = check_url(c, err);

	if (r < 0)
		return r;
	if (c->tenant && strlen(c->tenant) > TENANT_MAX)
		return err_set(err, -EINVAL, "tenant: longer than %d characters", TENANT_MAX);
	if (!c->username != !c->password_file)
		return err_set(err, -EINVAL, "username and password-file belong together");
	if (c->username && c->token_file)
		return err_set(err, -EINVAL, "username and token-file exclude each other");
	if (!c->cert_file != !c->key_file)
		return err_set(err, -EINVAL, "cert-file and key-file belong together");
	if (!c->tls && (c->ca_file || c->cert_file))
		return err_set(err, -EINVAL, "ca-file and cert-file need an https url");
	if (!c->name)
		c->name = strdup("pyroscope");
	return c->name ? 0 : -ENOMEM;
}

int upload_config_parse(struct upload_config *c, const char *text, struct err *err)
{
	int r;

	*c = (struct upload_config) { .max_age_ns = MAX_AGE_NS,
				      .timeout_ns = TIMEOUT_NS,
				      .retry_max_ns = RETRY_MAX_NS,
				      .catchup_delay_ns = CATCHUP_DELAY_NS,
				      .catchup = CATCHUP,
				      .bytes_per_s = BYTES_PER_S,
				      .requests_per_s = REQUESTS_PER_S,
				      .fraction_ppm = UPLOAD_PPM,
				      .max_samples = MAX_SAMPLES,
				      .max_bytes = MAX_BYTES };
	r = keyvalue_parse(text, on_part, c, err);
	return r ?: check(c, err);
}

void upload_config_deinit(struct upload_config *c)
{
	char *const owned[] = { c->name,     c->url,           c->host,       c->proxy,
				c->username, c->password_file, c->token_file, c->tenant,
				c->ca_file,  c->cert_file,     c->key_file,   c->header_file };

	for (size_t i = 0; i < ARRAY_SIZE(owned); i++)
		free(owned[i]);
	for (size_t i = 0; i < c->nr_headers; i++)
		free(c->headers[i]);
	*c = (struct upload_config) { .name = NULL };
}

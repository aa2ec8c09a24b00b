/* The exporter's command line. */
#include "agent/exporter/options.h"
#include "agent/base/clock.h"
#include "agent/base/sys.h"
#include "agent/exporter/web_listen.h"

#include <errno.h>
#include <inttypes.h>
#include <getopt.h>
#include <limits.h>
#include <string.h>

const char options_help[] =
	"usage: fleetprof-exporter --store DIR [OPTION…]\n"
	"The part of the agent that stores and uploads; started by `fleetprof agent`, which is\n"
	"connected to its descriptor 3.\n"
	"\n"
	"  --store DIR               keep windows here\n"
	"  --store-max-bytes N       at most so many bytes (default 2147483648)\n"
	"  --store-max-age SECONDS   and so old (default 604800: 7 days)\n"
	"  --store-max-share N       and so many percent of the file system (default 5; 0: any)\n"
	"  --store-min-free N        do not grow when less than N percent of it is free (default 10)\n"
	"  --store-cache N           memory for its pages (default 4194304, which is the most)\n"
	"  --upload PARTS            a back end, and again for more: KEY=VALUE, separated by commas\n"
	"                            (a comma in a value is doubled): type=pyroscope, url, name, tenant,\n"
	"                            username, password-file, token-file, header, header-file, ca-file,\n"
	"                            cert-file, key-file, proxy; in seconds: timeout, max-age,\n"
	"                            retry-max, catchup-delay; catchup (times real time),\n"
	"                            bytes-per-second, requests-per-second, fraction (0…1),\n"
	"                            max-samples, max-bytes (of one profile)\n"
	"  --node NAME               this node's name in what is uploaded\n"
	"  --label NAME=VALUE        on every series that is uploaded, and again for more\n"
	"  --relabel PARTS           a rule as in Prometheus' relabel_config, and again for more:\n"
	"                            action=replace,source_labels=a;b,regex=(.*),target_label=c\n"
	"  --max-series N            at most so many series (default 500)\n"
	"  --web-listen ADDRESS:PORT the page and its API, e.g. 127.0.0.1:4344 (default: no page)\n"
	"  --web-host NAME           a further name by which browsers reach it, and again for more\n"
	"  --metrics-listen ADDRESS:PORT  /metrics, /healthz and /readyz alone, for others too\n"
	"  --debuginfod-url URL      a server of separate debug files, and again for more: asked in\n"
	"                            this order (default: none)\n"
	"  --debuginfod-max-size N   bytes of one file at most (default 536870912)\n"
	"  --debuginfod-timeout SECONDS  of one request (default 120)\n"
	"  --debuginfod-cache-size N bytes of all that are kept (default 1073741824)\n"
	"  --user UID:GID            become this user\n"
	"  --check                   say whether these options are good, on standard output; run nothing\n"
	"  --verbose                 say more\n";

enum option_id {
	OPTION_STORE = 256,
	OPTION_MAX_BYTES,
	OPTION_MAX_AGE,
	OPTION_MAX_SHARE,
	OPTION_MIN_FREE,
	OPTION_STORE_CACHE,
	OPTION_UPLOAD,
	OPTION_NODE,
	OPTION_LABEL,
	OPTION_RELABEL,
	OPTION_MAX_SERIES,
	OPTION_WEB_LISTEN,
	OPTION_WEB_HOST,
	OPTION_METRICS_LISTEN,
	OPTION_DEBUGINFOD_URL,
	OPTION_DEBUGINFOD_MAX_SIZE,
	OPTION_DEBUGINFOD_TIMEOUT,
	OPTION_DEBUGINFOD_CACHE_SIZE,
	OPTION_USER,
	OPTION_CHECK,
	OPTION_VERBOSE,
	OPTION_HELP,
};

static const struct option longopts[] = {
	{ "store", required_argument, NULL, OPTION_STORE },
	{ "store-max-bytes", required_argument, NULL, OPTION_MAX_BYTES },
	{ "store-max-age", required_argument, NULL, OPTION_MAX_AGE },
	{ "store-max-share", required_argument, NULL, OPTION_MAX_SHARE },
	{ "store-min-free", required_argument, NULL, OPTION_MIN_FREE },
	{ "store-cache", required_argument, NULL, OPTION_STORE_CACHE },
	{ "upload", required_argument, NULL, OPTION_UPLOAD },
	{ "node", required_argument, NULL, OPTION_NODE },
	{ "label", required_argument, NULL, OPTION_LABEL },
	{ "relabel", required_argument, NULL, OPTION_RELABEL },
	{ "max-series", required_argument, NULL, OPTION_MAX_SERIES },
	{ "web-listen", required_argument, NULL, OPTION_WEB_LISTEN },
	{ "web-host", required_argument, NULL, OPTION_WEB_HOST },
	{ "metrics-listen", required_argument, NULL, OPTION_METRICS_LISTEN },
	{ "debuginfod-url", required_argument, NULL, OPTION_DEBUGINFOD_URL },
	{ "debuginfod-max-size", required_argument, NULL, OPTION_DEBUGINFOD_MAX_SIZE },
	{ "debuginfod-timeout", required_argument, NULL, OPTION_DEBUGINFOD_TIMEOUT },
	{ "debuginfod-cache-size", required_argument, NULL, OPTION_DEBUGINFOD_CACHE_SIZE },
	{ "user", required_argument, NULL, OPTION_USER },
	{ "check", no_argument, NULL, OPTION_CHECK },
	{ "verbose", no_argument, NULL, OPTION_VERBOSE },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

static int parse_number(const char *name, const char *s, uint64_t min, uint64_t max, uint64_t *ret,
			struct err *err)
{
	if (sys_parse_u64(s, 10, min, max, ret) < 0)
		return err_set(err, -EINVAL, "--%s %s: not a number from %" PRIu64 " to %" PRIu64,
			       name, s, min, max);
	return 0;
}

static int parse_user(const char *s, struct options *o, struct err *err)
{
	_cleanup_(freep) char *copy = strdup(s);
	char *colon = copy ? strchr(copy, ':') : NULL;
	uint64_t uid, gid;

	if (!colon)
		return err_set(err, -EINVAL, "--user %s: not UID:GID", s);
	*colon = '\0';
	if (sys_parse_u64(copy, 10, 1, UINT32_MAX - 1, &uid) < 0 ||
	    sys_parse_u64(colon + 1, 10, 1, UINT32_MAX - 1, &gid) < 0)
		return err_set(err, -EINVAL, "--user %s: not UID:GID", s);
	o->uid = (uint32_t)uid;
	o->gid = (uint32_t)gid;
	return 0;
}

/* Puts the option's name before what is wrong with a part of it. */
static int in_option(int r, const char *name, struct err *err)
{
	struct err inner = *err;

	return r == -EINVAL ? err_set(err, r, "--%s: %s", name, inner.text) : r;
}

static int add_backend(struct options_upload *u, const char *arg, struct err *err)
{
	struct upload_config *c = &u->backends[u->nr_backends];
	int r;

	if (u->nr_backends == UPLOAD_MAX_BACKENDS)
		return err_set(err, -EINVAL, "more than %d back ends", UPLOAD_MAX_BACKENDS);
	u->nr_backends++;
	r = upload_config_parse(c, arg, err);
	for (size_t i = 0; i + 1 < u->nr_backends && r == 0; i++) {
		if (!strcmp(u->backends[i].name, c->name))
			r = err_set(err, -EINVAL,
				    "two back ends are called \"%s\": give each a name=", c->name);
	}
	return r;
}

static int add_label(struct options_upload *u, const char *arg, struct err *err)
{
	const char *equals = strchr(arg, '=');
	_cleanup_(freep) char *name = equals ? strndup(arg, (size_t)(equals - arg)) : NULL;

	if (!name || !labels_is_name(name) || !strncmp(name, "__", 2) || !equals[1])
		return err_set(err, -EINVAL, "%s: not NAME=VALUE", arg);
	if (u->labels.nr == OPTIONS_MAX_LABELS)
		return err_set(err, -EINVAL, "more than %d", OPTIONS_MAX_LABELS);
	return labels_set(&u->labels, name, equals + 1);
}

static int add_rule(struct options_upload *u, const char *arg, struct err *err)
{
	int r = u->relabel ? 0 : relabel_new(&u->relabel);

	return r ?: relabel_add(u->relabel, arg, err);
}

static int set_upload(struct options_upload *u, int id, const char *name, const char *arg,
		      struct err *err)
{
	uint64_t v;
	int r;

	switch (id) {
	case OPTION_UPLOAD:
		return in_option(add_backend(u, arg, err), name, err);
	case OPTION_LABEL:
		return in_option(add_label(u, arg, err), name, err);
	case OPTION_RELABEL:
		return in_option(add_rule(u, arg, err), name, err);
	case OPTION_NODE:
		u->node = arg;
		return 0;
	case OPTION_MAX_SERIES:
		r = parse_number(name, arg, 1, 100000, &v, err);
		u->max_series = r == 0 ? (uint32_t)v : 0;
		return r;
	}
	return -EINVAL;
}

static int set_web(struct options_web *w, int id, const char *name, const char *arg,
		   struct err *err)
{
	bool loopback;

	if (id == OPTION_WEB_HOST) {
		if (w->nr_hosts == WEB_HOSTS_MAX)
			return err_set(err, -EINVAL, "--%s: more than %d", name, WEB_HOSTS_MAX);
		w->hosts[w->nr_hosts++] = arg;
		return 0;
	}
	if (web_listen_check(arg, &loopback, err) < 0)
		return in_option(-EINVAL, name, err);
	*(id == OPTION_WEB_LISTEN ? &w->listen : &w->metrics_listen) = arg;
	return 0;
}

static int set_debuginfod(struct debuginfod_options *d, int id, const char *name, const char *arg,
			  struct err *err)
{
	uint64_t v;
	int r;

	switch (id) {
	case OPTION_DEBUGINFOD_URL:
		if (d->nr_urls == DEBUGINFOD_SERVERS_MAX)
			return err_set(err, -EINVAL, "--%s: more than %d", name,
				       DEBUGINFOD_SERVERS_MAX);
		d->urls[d->nr_urls++] = arg;
		return in_option(debuginfod_check_url(arg, err), name, err);
	case OPTION_DEBUGINFOD_MAX_SIZE:
		return parse_number(name, arg, 1, INT64_MAX, &d->max_size, err);
	case OPTION_DEBUGINFOD_TIMEOUT:
		r = parse_number(name, arg, 1, 86400, &v, err);
		d->timeout_ns = r == 0 ? v * NSEC_PER_SEC : 0;
		return r;
	case OPTION_DEBUGINFOD_CACHE_SIZE:
		return parse_number(name, arg, 1, INT64_MAX, &d->cache_size, err);
	}
	return -EINVAL;
}

static int set(struct options *o, int id, const char *name, const char *arg, struct err *err)
{
	uint64_t v;
	int r = 0;

	switch (id) {
	case OPTION_STORE:
		o->store.dir = arg;
		return 0;
	case OPTION_MAX_BYTES:
		return parse_number(name, arg, 1u << 20, INT64_MAX, &o->store.max_bytes, err);
	case OPTION_MAX_AGE:
		r = parse_number(name, arg, 60, INT64_MAX / NSEC_PER_SEC, &v, err);
		o->store.max_age_ns = r == 0 ? v * NSEC_PER_SEC : 0;
		return r;
	case OPTION_MAX_SHARE:
		r = parse_number(name, arg, 0, 100, &v, err);
		o->store.max_share_percent = r == 0 ? (unsigned int)v : 0;
		return r;
	case OPTION_MIN_FREE:
		r = parse_number(name, arg, 0, 100, &v, err);
		o->store.min_free_percent = r == 0 ? (unsigned int)v : 0;
		return r;
	case OPTION_STORE_CACHE:
		return parse_number(name, arg, 1u << 16, INT64_MAX, &o->store.cache_bytes, err);
	case OPTION_UPLOAD:
	case OPTION_NODE:
	case OPTION_LABEL:
	case OPTION_RELABEL:
	case OPTION_MAX_SERIES:
		return set_upload(&o->upload, id, name, arg, err);
	case OPTION_WEB_LISTEN:
	case OPTION_WEB_HOST:
	case OPTION_METRICS_LISTEN:
		return set_web(&o->web, id, name, arg, err);
	case OPTION_DEBUGINFOD_URL:
	case OPTION_DEBUGINFOD_MAX_SIZE:
	case OPTION_DEBUGINFOD_TIMEOUT:
	case OPTION_DEBUGINFOD_CACHE_SIZE:
		return set_debuginfod(&o->debuginfod, id, name, arg, err);
	case OPTION_USER:
		return parse_user(arg, o, err);
	case OPTION_CHECK:
		o->check = true;
		return 0;
	case OPTION_VERBOSE:
		o->log_level = LOG_LEVEL_DEBUG;
		return 0;
	case OPTION_HELP:
		o->help = true;
		return 0;
	}
	return err_set(err, -EINVAL, "unknown option or missing value; see --help");
}

int options_parse(struct options *o, int argc, char **argv, struct err *err)
{
	int id, index = 0, r;

	*o = (struct options) {
		.store = { .max_bytes = 2ull << 30,
			   .max_age_ns = 7 * 86400 * NSEC_PER_SEC,
			   .max_share_percent = 5,
			   .min_free_percent = 10 },
		.upload = { .node = "", .max_series = 500 },
		.debuginfod = { .max_size = 512ull << 20,
				.timeout_ns = 120 * NSEC_PER_SEC,
				.cache_size = 1ull << 30 },
		.log_level = LOG_LEVEL_INFO,
	};
	opterr = 0;
	optind = 0;
	while ((id = getopt_long(argc, argv, "+", longopts, &index)) >= 0) {
		r = set(o, id, longopts[index].name, optarg, err);
		if (r < 0)
			return r;
	}
	if (optind < argc)
		return err_set(err, -EINVAL, "unexpected argument: %s", argv[optind]);
	o->debuginfod.max_size = MIN(o->debuginfod.max_size, o->debuginfod.cache_size);
	if (!o->help && !o->store.dir)
		return err_set(err, -EINVAL, "--store is missing");
	return 0;
}

void options_deinit(struct options *o)
{
	for (size_t i = 0; i < o->upload.nr_backends; i++)
		upload_config_deinit(&o->upload.backends[i]);
	o->upload.nr_backends = 0;
	labels_deinit(&o->upload.labels);
	o->upload.relabel = relabel_free(o->upload.relabel);
}

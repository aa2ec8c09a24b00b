/* debuginfod's client. */
#include "agent/exporter/debuginfod.h"
#include "agent/base/log.h"
#include "agent/exporter/debuginfod_internal.h"
#include "agent/exporter/http_url.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

int debuginfod_check_url(const char *url, struct err *err)
{
	uint16_t port;
	bool tls;

	if (strlen(url) > DEBUGINFOD_URL_MAX || http_url_parse(url, &tls, NULL, &port) < 0)
		return err_set(
			err, -EINVAL,
			"%.64s: not http(s)://HOST[:PORT][/PATH] (without user and password)", url);
	return 0;
}

static void reply(struct debuginfod *d, uint64_t number, int fd)
{
	struct debuginfod_counts *c = &d->counts;

	if (fd >= 0)
		c->fetched++;
	else if (fd == -ENOENT)
		c->missing++;
	else if (fd == -EFBIG)
		c->too_large++;
	else
		c->later++;
	d->config.answer(number, MAX(fd, -1), MIN(fd, 0), d->config.userdata);
}

/* Everybody who waits for it has the answer. fd: a descriptor, which goes to the first, or -errno. */
static void reply_all(struct debuginfod *d, const struct debuginfod_id *id, int fd)
{
	int owned = fd;
	size_t left = 0, nr = d->nr_requests;

	d->nr_requests = 0;
	for (size_t i = 0; i < nr; i++) {
		struct debuginfod_request request = d->requests[i];

		if (!debuginfod_id_equal(&request.id, id)) {
			d->requests[left++] = request;
			continue;
		}
		if (fd >= 0 && owned < 0)
			owned = debuginfodcache_open(d->cache, id);
		reply(d, request.number, owned);
		owned = fd >= 0 ? -1 : fd;
	}
	d->nr_requests = left;
	if (fd >= 0)
		close_fd(owned);
}

static bool is_under_way(const struct debuginfod *d, const struct debuginfod_id *id)
{
	for (size_t i = 0; i < DEBUGINFOD_PARALLEL_MAX; i++) {
		if (d->fetches[i].busy && debuginfod_id_equal(&d->fetches[i].id, id))
			return true;
	}
	return false;
}

static struct debuginfod_fetch *idle_fetch(struct debuginfod *d)
{
	for (size_t i = 0; i < DEBUGINFOD_PARALLEL_MAX; i++) {
		if (!d->fetches[i].busy)
			return &d->fetches[i];
	}
	return NULL;
}

/* 0: it was begun; or -errno, which is the answer. */
static int begin(struct debuginfod *d, struct debuginfod_fetch *f, const struct debuginfod_id *id)
{
	int server = debuginfodplan_next(&d->plan, id, clock_boot_ns());
	int r = server < 0 ? server
			   : debuginfodfetch_start(f, d->http, d->cache, id, (size_t)server);

	if (r < 0)
		return r;
	f->busy = true;
	d->counts.requests++;
	return 0;
}

/* Begins what can be begun, and answers what nobody is to be asked for. */
static void proceed(struct debuginfod *d)
{
	struct debuginfod_fetch *f;
	size_t i = 0;

	while (i < d->nr_requests && (f = idle_fetch(d))) {
		struct debuginfod_id id = d->requests[i].id;
		int r = is_under_way(d, &id) ? 0 : begin(d, f, &id);

		if (r < 0)
			reply_all(d, &id, r);
		else
			i++;
	}
}

static void learn(struct debuginfod *d, const struct debuginfod_fetch *f,
		  enum debuginfod_outcome outcome)
{
	uint64_t now = clock_boot_ns();

	switch (outcome) {
	case DEBUGINFOD_FAILED:
		debuginfodplan_failed(&d->plan, f->server, debuginfodfetch_wait_ns(f), now);
		return;
	case DEBUGINFOD_MISSING:
	case DEBUGINFOD_REDIRECTED:
	case DEBUGINFOD_TOO_SLOW:
	case DEBUGINFOD_TOO_LARGE:
		debuginfodplan_missing(&d->plan, f->server, &f->id, now);
		break;
	default:
		break;
	}
	debuginfodplan_answered(&d->plan, f->server);
}

static void on_finished(struct debuginfod_fetch *f, enum debuginfod_outcome outcome, int fd)
{
	static const char *const words[] = {
		"fetched",
		"not there",
		"redirected, which is not followed",
		"too slow for debuginfod.timeout",
		"larger than debuginfod.max_size",
		"failed",
		"no room",
	};
	struct debuginfod *d = f->userdata;
	struct debuginfod_id id = f->id;
	char hex[DEBUGINFOD_ID_HEX];

	_Static_assert(ARRAY_SIZE(words) == DEBUGINFOD_OUTCOMES, "a word for each");
	debuginfod_id_print(&id, hex);
	log_debug("debug file %s of %s: %s", hex, d->config.options->urls[f->server],
		  words[outcome]);
	d->counts.outcomes[outcome]++;
	d->counts.received += debuginfodfetch_received(f);
	learn(d, f, outcome);
	f->file = debuginfodcache_abort(f->file);
	f->busy = false;
	if (outcome == DEBUGINFOD_FETCHED)
		reply_all(d, &id, fd);
	else if (outcome == DEBUGINFOD_TOO_LARGE)
		reply_all(d, &id, -EFBIG);
	else if (outcome == DEBUGINFOD_NO_ROOM)
		reply_all(d, &id, -ENOSPC);
	proceed(d); /* the others' turn, or the next server's */
}

int debuginfod_new(struct debuginfod **ret, struct loop *loop,
		   const struct debuginfod_config *config, struct err *err)
{
	const struct debuginfod_cache_config cache = { .dir = config->dir,
						       .max_bytes = config->options->cache_size,
						       .min_free_percent =
							       config->min_free_percent };
	_cleanup_(debuginfod_freep) struct debuginfod *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return -ENOMEM;
	d->config = *config;
	d->plan.nr_servers = config->options->nr_urls;
	if (getrandom(&d->plan.seed, sizeof(d->plan.seed), GRND_NONBLOCK) != sizeof(d->plan.seed))
		d->plan.seed = clock_boot_ns();
	for (size_t i = 0; i < DEBUGINFOD_PARALLEL_MAX; i++) {
		d->fetches[i].options = config->options;
		d->fetches[i].finished = on_finished;
		d->fetches[i].userdata = d;
	}
	r = debuginfodcache_new(&d->cache, &cache, err);
	r = r ?: http_global_init();
	r = r ?: http_new(&d->http, loop);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(d);
	return 0;
}

struct debuginfod *debuginfod_free(struct debuginfod *d)
{
	if (!d)
		return NULL;
	for (size_t i = 0; i < DEBUGINFOD_PARALLEL_MAX; i++)
		debuginfodfetch_deinit(&d->fetches[i]);
	http_free(d->http);
	debuginfodcache_free(d->cache);
	free(d);
	return NULL;
}

int debuginfod_confine(const struct debuginfod *d, struct exportersandbox *sandbox)
{
	const struct debuginfod_options *o = d->config.options;
	uint16_t port;
	bool tls;
	int r = 0;

	for (size_t i = 0; i < o->nr_urls && r == 0; i++) {
		r = http_url_parse(o->urls[i], &tls, NULL, &port);
		r = r ?: exportersandbox_add_connect(sandbox, port);
	}
	return r;
}

void debuginfod_ask(struct debuginfod *d, uint64_t number, const uint8_t *build_id, size_t len)
{
	struct debuginfod_request request = { .number = number };
	int fd, r = debuginfod_id_set(&request.id, build_id, len);

	d->counts.asked++;
	if (r < 0 || d->nr_requests == DEBUGINFOD_REQUESTS_MAX) {
		reply(d, number, r < 0 ? -ENOENT : -EAGAIN);
		return;
	}
	fd = debuginfodcache_open(d->cache, &request.id);
	if (fd >= 0) {
		d->counts.cached++;
		d->config.answer(number, fd, 0, d->config.userdata);
		return;
	}
	d->requests[d->nr_requests++] = request;
	proceed(d);
}

void debuginfod_bad(struct debuginfod *d, const uint8_t *build_id, size_t len)
{
	struct debuginfod_id id;
	int server;

	if (debuginfod_id_set(&id, build_id, len) < 0)
		return;
	d->counts.bad++;
	server = debuginfodcache_remove(d->cache, &id);
	if (server >= 0)
		debuginfodplan_missing(&d->plan, (size_t)server, &id, clock_boot_ns());
}

static void family(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_addf(out, "# HELP fleetprof_debuginfod_%s %s\n# TYPE fleetprof_debuginfod_%s %s\n",
		 name, help, name, type);
}

static void single(struct buf *out, const char *name, const char *type, const char *help,
		   uint64_t value)
{
	family(out, name, type, help);
	buf_addf(out, "fleetprof_debuginfod_%s %" PRIu64 "\n", name, value);
}

static void write_answers(const struct debuginfod *d, struct buf *out)
{
	const struct debuginfod_counts *c = &d->counts;
	const struct {
		const char *result;
		uint64_t value;
	} answers[] = {
		{ "hit", c->cached },          { "fetched", c->fetched }, { "missing", c->missing },
		{ "too_large", c->too_large }, { "later", c->later },
	};

	family(out, "answers_total", "counter",
	       "Questions of the agent for a debug file, by what was answered.");
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
		buf_addf(out, "fleetprof_debuginfod_answers_total{result=\"%s\"} %" PRIu64 "\n",
			 answers[i].result, answers[i].value);
}

static void write_requests(const struct debuginfod *d, struct buf *out)
{
	static const char *const names[DEBUGINFOD_OUTCOMES] = {
		"fetched", "missing", "redirected", "too_slow", "too_large", "failed", "no_room",
	};

	family(out, "requests_total", "counter", "Requests to servers, by how they ended.");
	for (size_t i = 0; i < DEBUGINFOD_OUTCOMES; i++)
		buf_addf(out, "fleetprof_debuginfod_requests_total{result=\"%s\"} %" PRIu64 "\n",
			 names[i], d->counts.outcomes[i]);
}

void debuginfod_write_metrics(const struct debuginfod *d, struct buf *out)
{
	struct debuginfod_cache_counts cache;

	debuginfodcache_counts(d->cache, &cache);
	single(out, "asked_total", "counter", "Questions of the agent for a debug file.",
	       d->counts.asked);
	write_answers(d, out);
	single(out, "started_requests_total", "counter", "Requests to servers that were begun.",
	       d->counts.requests);
	write_requests(d, out);
	single(out, "received_bytes_total", "counter", "Bytes that servers sent.",
	       d->counts.received);
	single(out, "bad_total", "counter",
	       "Files that turned out not to be those of their build ID.", d->counts.bad);
	single(out, "forgotten_misses_total", "counter",
	       "Build IDs that nobody has, of which there are too many to remember.",
	       d->plan.forgotten);
	single(out, "evicted_total", "counter", "Files that made room for others.", cache.evicted);
	single(out, "cache_bytes", "gauge", "Size of the files that are kept.", cache.bytes);
	single(out, "cache_limit_bytes", "gauge", "What it may be.", d->config.options->cache_size);
	single(out, "cache_files", "gauge", "How many they are.", cache.files);
}

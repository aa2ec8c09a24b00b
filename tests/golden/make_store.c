/*
 * Fills a store with a day of containers, for the tests and the bench of the page: make_store DIR END_SECONDS.
 *
 * The last hour in windows of a minute, the day before in windows of ten. 50 owners: services with a daily rhythm, one that
 * is throttled, one whose flame graph has 100,000 nodes (in the last ten minutes), one with hostile names.
 */
#include "agent/base/clock.h"
#include "agent/exporter/store.h"
#include "proto/compact.h"
#include "tests/fixtures/evil_names.h"
#include "tests/fixtures/known_profile.h"
#include "tests/test.h"

#include <math.h>

#define OWNERS 50
#define LEVELS 8 /* of load: a profile of each owner for each */
#define RATE 19
#define CPUS 16
#define PERIOD_NS (NSEC_PER_SEC / RATE)
#define FUNCTIONS 400
#define BIG 0 /* owner with the 100,000 nodes */
#define THROTTLED 3
#define EVIL (OWNERS - 1)

static const char *const services[] = {
	"checkout", "cart",    "catalog",      "payments",  "search",   "recommend",
	"frontend", "gateway", "identity",     "inventory", "shipping", "pricing",
	"notify",   "reports", "image-resize", "ledger",
};
static const char *const kinds[] = { "api", "worker", "db" };

struct row {
	struct buf profile;
	uint64_t samples;
};

static struct row rows[2][OWNERS][LEVELS], big_row; /* of a minute, of ten */
static uint64_t state = 88172645463325252ull;

static uint32_t below(uint32_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)((state >> 11) % n);
}

struct maker {
	struct profile *p;
	uint32_t owner, process, thread, root;
	uint32_t locations[FUNCTIONS];
};

static void begin(struct maker *m, unsigned int owner, const char *comm, uint32_t nr_functions)
{
	static const char *const verbs[] = { "parse", "encode", "handle", "lookup",
					     "flush", "merge",  "hash",   "copy" };
	static const char *const nouns[] = { "Request", "Row",     "Json",  "Buffer",
					     "Page",    "Session", "Index", "Header" };
	struct profile_owner o = { .name = 0 };
	struct profile_process process = { .tgid = 1000 + owner };
	uint32_t app, libc, kernel;

	CHECK_INT(profile_new(&m->p), 0);
	profile_meta(m->p)->period_ns = PERIOD_NS;
	CHECK_INT(profile_add_owner(m->p, &o, &m->owner), 0);
	process.comm = known_string(m->p, comm);
	m->thread = process.comm;
	CHECK_INT(profile_add_process(m->p, &process, &m->process), 0);
	app = known_mapping(m->p, "/app/bin/server", "6174f00d6174f00d");
	libc = known_mapping(m->p, "/usr/lib/x86_64-linux-gnu/libc.so.6", "1234567890abcdef");
	kernel = known_mapping(m->p, "[kernel.kallsyms]", "");
	m->root = known_location(
		m->p, PROFILE_FRAME_ROOT, UINT32_MAX, 0,
		&(struct profile_line) { known_function(m->p, comm, "", "", 0), 0, 0 }, 1);
	for (uint32_t i = 0; i < nr_functions; i++) {
		enum profile_frame_kind kind =
			i % 11 == 10 ? PROFILE_FRAME_KERNEL : PROFILE_FRAME_USER;
		uint32_t mapping = i % 11 == 10 ? kernel : i % 7 == 6 ? libc : app;
		struct profile_line lines[2];
		char name[96], file[64];

		snprintf(name, sizeof(name), "%s%s%u%s", verbs[i % 8], nouns[i / 8 % 8], i,
			 i % 3 ? "" : "(std::string const&, int)");
		if (owner == EVIL)
			snprintf(name, sizeof(name), "%.90s",
				 evil_names[i % ARRAY_SIZE(evil_names)]);
		snprintf(file, sizeof(file), "src/%s.cc", nouns[i % 8]);
		lines[0] = (struct profile_line) { known_function(m->p, name, name, file, 10 + i),
						   12 + i, 1 };
		lines[1] = (struct profile_line) {
			known_function(m->p, "dispatch()", "", "src/loop.cc", 80), 91, 1
		};
		m->locations[i] =
			i % 13 == 12 ? known_location(m->p, kind, mapping, 0x1000 + 16 * i, NULL, 0)
				     : known_location(m->p, kind, mapping, 0x1000 + 16 * i, lines,
						      i % 9 == 8 ? 2 : 1);
	}
}

/* A stack whose callers are drawn from few and whose leaves from many, as in programs. */
static void add(struct maker *m, uint32_t nr_functions, uint32_t depth, uint64_t count)
{
	struct profile_sample s = { .owner = m->owner,
				    .process = m->process,
				    .thread_comm = m->thread,
				    .count = count,
				    .value_ns = count * PERIOD_NS,
				    .complete = true };
	uint32_t stack[64];

	for (uint32_t i = 0; i < depth; i++) {
		uint32_t fan = MIN(2 + i * i / 6, nr_functions);

		stack[depth - 1 - i] = m->locations[(i * 7 + below(fan)) % nr_functions];
	}
	stack[depth] = m->root;
	CHECK_INT(profile_add_sample(m->p, &s, stack, depth + 1), 0);
}

static void end(struct maker *m, struct row *to)
{
	_cleanup_(compact_encoder_freep) struct compact_encoder *e = NULL;
	struct profile_view v;

	profile_view(m->p, &v);
	to->samples = v.owners[m->owner].samples;
	buf_init(&to->profile, COMPACT_MAX_PAYLOAD);
	CHECK_INT(compact_encoder_new(&e, m->p), 0);
	CHECK_INT(compact_encode(e, m->owner, &to->profile), 0);
	m->p = profile_free(m->p);
}

/* Few owners have most of the time, as on any host. */
static uint64_t samples_of(unsigned int owner, unsigned int level, bool ten)
{
	return (uint64_t)((level + 1) * (ten ? 10 : 1)) * (900 / (owner + 2) + 4);
}

static void make_row(unsigned int owner, unsigned int level, bool ten)
{
	const uint64_t samples = samples_of(owner, level, ten);
	const uint32_t stacks = (uint32_t)MIN(samples, (uint64_t)150);
	struct maker m;

	begin(&m, owner, owner % 5 ? "server" : "worker", 120);
	state = 88172645463325252ull + owner; /* a program's stacks are the same in every window */
	for (uint32_t i = 0; i < stacks; i++)
		add(&m, 120, 6 + below(22), samples / stacks + (i < samples % stacks));
	end(&m, &rows[ten][owner][level]);
}

static void make_rows(void)
{
	struct maker m;

	for (unsigned int owner = 0; owner < OWNERS; owner++) {
		for (unsigned int level = 0; level < LEVELS; level++) {
			make_row(owner, level, false);
			make_row(owner, level, true);
		}
	}
	begin(&m, BIG, "monolith", FUNCTIONS);
	for (uint32_t i = 0; i < 6000; i++)
		add(&m, FUNCTIONS, 30, 1 + below(2));
	end(&m, &big_row);
}

static void name_owner(unsigned int i, struct winwire_owner *o, char name[64], char path[128])
{
	const char *service = services[i % ARRAY_SIZE(services)];

	if (i == OWNERS - 3 || i == OWNERS - 2) { /* no containers */
		snprintf(name, 64, "%s", i == OWNERS - 3 ? "ssh.service" : "kernel");
		snprintf(path, 128, "/system.slice/%s", name);
		*o = (struct winwire_owner) { .runtime = i == OWNERS - 3 ? "systemd" : "kernel" };
	} else {
		snprintf(name, 64, "%s-%s", service, kinds[i / ARRAY_SIZE(services) % 3]);
		snprintf(path, 128, "/kubepods.slice/pod%08x/cri-%08x", i * 2654435761u,
			 i * 40503u);
		*o = (struct winwire_owner) { .runtime = "containerd",
					      .image = "registry.example/shop/server:1.42",
					      .labels = { { "k8s.namespace.name", "shop" },
							  { "k8s.pod.name", name } },
					      .nr_labels = 2 };
	}
	if (i == BIG)
		snprintf(name, 64, "monolith");
	if (i == EVIL)
		snprintf(name, 64, "%s", evil_names[2]);
	o->name = name;
	o->id = o->nr_labels ? path + 32 : "";
	o->image = o->image ?: "";
	o->cgroup_path = path;
}

static unsigned int level_of(unsigned int owner, uint64_t start_ns)
{
	double hour = (double)(start_ns / NSEC_PER_SEC % 86400) / 3600;
	double load = 0.5 + 0.45 * sin((hour - 9 + owner % 5) / 24 * 2 * M_PI);

	return (unsigned int)(load * (LEVELS - 1)) % LEVELS;
}

static void put_owner(struct buf *body, unsigned int i, uint64_t start_ns, uint64_t duration_ns,
		      bool big)
{
	static uint32_t seconds[600];
	const struct row *row =
		big && i == BIG ? &big_row
				: &rows[duration_ns > 60 * NSEC_PER_SEC][i][level_of(i, start_ns)];
	_cleanup_(buf_deinitp) struct buf histogram = BUF_NULL;
	struct winwire_owner o;
	char name[64], path[128];

	memset(seconds, 0, sizeof(seconds));
	for (uint64_t s = 0; s < row->samples; s++)
		seconds[below((uint32_t)(duration_ns / NSEC_PER_SEC)) % ARRAY_SIZE(seconds)]++;
	name_owner(i, &o, name, path);
	buf_init(&histogram, 16384);
	winwire_put_seconds(&histogram, seconds, duration_ns / NSEC_PER_SEC);
	o.samples = row->samples;
	o.value_ns = row->samples * PERIOD_NS;
	o.usage_ns = i == OWNERS - 2 ? WINWIRE_UNKNOWN : o.value_ns / 100 * (97 + below(7));
	o.nr_throttled = i == THROTTLED ? below(40) : 0;
	o.throttled_ns = o.nr_throttled * 35 * NSEC_PER_MSEC;
	o.seconds = (const uint8_t *)histogram.data;
	o.seconds_len = histogram.len;
	o.profile = (const uint8_t *)row->profile.data;
	o.profile_len = row->profile.len;
	winwire_put_owner(body, &o);
}

static void put(struct store *s, uint64_t number, uint64_t start_ns, uint64_t duration_ns, bool big)
{
	static struct winwire_header h;
	_cleanup_(buf_deinitp) struct buf body = BUF_NULL;

	h = (struct winwire_header) { .agent_start_ns = 5,
				      .number = number,
				      .start_wall_ns = start_ns,
				      .duration_ns = duration_ns,
				      .period_ns = PERIOD_NS,
				      .rate_hz = RATE,
				      .nr_cpus = CPUS,
				      .host = "node-7",
				      .kernel = "6.1.0-18-amd64",
				      .version = FLEETPROF_VERSION,
				      .nr_losses = 3,
				      .losses = { { "runs", 18000 },
						  { "missed", number % 9 ? 0 : 4 },
						  { "lost: ring full", number % 40 ? 0 : 120 } } };
	buf_init(&body, WINWIRE_BODY_MAX);
	winwire_put_body(&body, OWNERS);
	for (unsigned int i = 0; i < OWNERS; i++)
		put_owner(&body, i, start_ns, duration_ns, big);
	CHECK_INT(body.error, 0);
	CHECK_INT(store_put(s, &h, body.data, body.len), 0);
}

int main(int argc, char **argv)
{
	const uint64_t minute = 60 * NSEC_PER_SEC, hour = 60 * minute;
	_cleanup_(store_freep) struct store *s = NULL;
	struct store_config config = { .dir = argc > 2 ? argv[1] : NULL,
				       .max_bytes = 1ull << 30,
				       .max_age_ns = 30 * 24 * hour };
	struct err err = ERR_NULL;
	uint64_t end_ns, number = 1;

	if (argc != 3)
		return 2;
	end_ns = strtoull(argv[2], NULL, 10) * NSEC_PER_SEC;
	if (store_open(&s, &config, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	make_rows();
	for (uint64_t at = end_ns - 24 * hour; at < end_ns - hour; at += 10 * minute)
		put(s, number++, at, 10 * minute, false);
	for (uint64_t at = end_ns - hour; at < end_ns; at += minute)
		put(s, number++, at, minute, at >= end_ns - 10 * minute);
	return 0;
}

/*
 * Stands in for the core: starts an exporter and hands it windows as it is told, so that a test decides what was measured.
 *
 *   feeder EXPORTER ARGUMENT…
 *
 * Commands on standard input, one a line:
 *   put NUMBER AGE_MS DURATION_MS OWNERS STACKS NAME_BYTES FLAGS   a window that began AGE_MS ago; FLAGS: "-" or of
 *       p(oison: owner 0 has a function of that name), d(oubtful clock), e(mpty: no sample in it)
 * On standard output: "exporter PID", "sent NUMBER SAMPLES VALUE", "stored NUMBER", "refused NUMBER ERRNO". The end of
 * its input ends both.
 */
#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/sys.h"
#include "agent/core/exporter_client.h"
#include "proto/compact.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#define PERIOD_NS 10000000u
#define NAME_MAX_BYTES 2048

struct feeder {
	struct loop *loop;
	struct exporterclient *client;
	uint64_t agent_start_ns;
	int pid;
	char line[256];
	size_t len;
};

struct window {
	uint64_t number, age_ms, duration_ms, owners, stacks, name_bytes;
	char flags[16];
	uint64_t samples, value_ns; /* what was made */
};

static uint32_t add_string(struct profile *p, const char *s)
{
	uint32_t id;
	int r = profile_add_string(p, s, &id);

	assert(r == 0);
	return id;
}

static struct profile_line add_line(struct profile *p, const char *name, uint32_t line)
{
	struct profile_function f = { .name = add_string(p, name),
				      .file = add_string(p, "/src/app.c"),
				      .start_line = line - 1 };
	struct profile_line l = { .line = line };
	int r = profile_add_function(p, &f, &l.function);

	assert(r == 0);
	return l;
}

static uint32_t add_location(struct profile *p, uint32_t mapping, uint64_t address,
			     enum profile_frame_kind kind, const struct profile_line *lines,
			     uint32_t nr)
{
	struct profile_location l = {
		.mapping = mapping, .address = address, .nr_lines = nr, .kind = kind
	};
	uint32_t id;
	int r = profile_add_location(p, &l, lines, &id);

	assert(r == 0);
	return id;
}

static uint32_t add_mapping(struct profile *p, const char *file, const char *build_id)
{
	struct profile_mapping m = { .file = add_string(p, file),
				     .build_id = add_string(p, build_id),
				     .has_functions = true };
	uint32_t id;
	int r = profile_add_mapping(p, &m, &id);

	assert(r == 0);
	return id;
}

/* A stack: a leaf of its own, a frame with an inlined one, one without a name, main, and the process's comm. */
static void add_stack(struct profile *p, const struct window *w, uint64_t i, bool poison)
{
	uint32_t app = add_mapping(p, "/usr/bin/app", "0123456789abcdef0123456789abcdef01234567");
	uint32_t lib =
		add_mapping(p, "/usr/lib/libfoo.so", "fedcba9876543210fedcba9876543210fedcba98");
	char name[NAME_MAX_BYTES + 32];
	struct profile_line lines[2];
	struct profile_process process = { .tgid = 100 + (uint32_t)(i % 3),
					   .comm = add_string(p, "app") };
	struct profile_sample s = { .count = 1 + i % 7, .complete = true };
	uint32_t stack[5];
	int r;

	snprintf(name, sizeof(name), "leaf_%" PRIu64 "_%0*d", i, (int)w->name_bytes, 0);
	lines[0] = add_line(p, poison ? "poison" : name, 10);
	stack[0] = add_location(p, app, 0x1000 + i * 16, PROFILE_FRAME_USER, lines, 1);
	lines[0] = add_line(p, "inlined", 20);
	lines[1] = add_line(p, "outer", 30);
	stack[1] = add_location(p, app, 0x800, PROFILE_FRAME_USER, lines, 2);
	stack[2] = add_location(p, lib, 0x1234, PROFILE_FRAME_USER, NULL, 0);
	lines[0] = add_line(p, "main", 40);
	stack[3] = add_location(p, app, 0x900, PROFILE_FRAME_USER, lines, 1);
	lines[0] = add_line(p, "app", 1);
	stack[4] = add_location(p, UINT32_MAX, 0, PROFILE_FRAME_ROOT, lines, 1);
	/* some samples end in the frame that nobody can name */
	r = profile_add_process(p, &process, &s.process);
	assert(r == 0);
	s.thread_comm = add_string(p, i % 2 ? "worker" : "app");
	s.count = strchr(w->flags, 'e') ? 0 : s.count;
	s.value_ns = s.count * PERIOD_NS;
	r = i % 5 == 4 ? profile_add_sample(p, &s, stack + 2, 3)
		       : profile_add_sample(p, &s, stack, 5);
	assert(r == 0);
}

static void put_owner(struct buf *body, struct window *w, uint64_t i)
{
	_cleanup_(profile_freep) struct profile *p = NULL;
	_cleanup_(compact_encoder_freep) struct compact_encoder *e = NULL;
	_cleanup_(buf_deinitp) struct buf data = BUF_NULL;
	struct profile_owner nameless = { .name = 0 };
	struct profile_view v;
	char name[32], id[80], pod[32];
	struct winwire_owner o = { .name = name,
				   .id = id,
				   .runtime = "containerd",
				   .image = "registry/app:1",
				   .cgroup_path = "/kubepods/x",
				   .labels = { { "namespace", "shop" }, { "pod", pod } },
				   .nr_labels = 2,
				   .usage_ns = WINWIRE_UNKNOWN,
				   .nr_throttled = WINWIRE_UNKNOWN,
				   .throttled_ns = WINWIRE_UNKNOWN };
	uint32_t owner;
	int r = profile_new(&p);

	assert(r == 0);
	r = profile_add_owner(p, &nameless, &owner);
	assert(r == 0);
	profile_meta(p)->period_ns = PERIOD_NS;
	for (uint64_t s = 0; s < w->stacks; s++)
		add_stack(p, w, s, i == 0 && s == 0 && strchr(w->flags, 'p'));
	profile_view(p, &v);
	buf_init(&data, COMPACT_MAX_PAYLOAD);
	r = compact_encoder_new(&e, p);
	r = r ?: compact_encode(e, owner, &data);
	assert(r == 0);
	snprintf(name, sizeof(name), "svc-%" PRIu64, i);
	snprintf(id, sizeof(id), "%064" PRIx64, i);
	snprintf(pod, sizeof(pod), "svc-%" PRIu64 "-abcde", i);
	o.samples = v.owners[0].samples;
	o.value_ns = v.owners[0].value_ns;
	o.profile = (const uint8_t *)data.data;
	o.profile_len = data.len;
	winwire_put_owner(body, &o);
	w->samples += o.samples;
	w->value_ns += o.value_ns;
}

static void send_window(struct feeder *f, struct window *w)
{
	struct winwire_header h = { .agent_start_ns = f->agent_start_ns,
				    .number = w->number,
				    .start_wall_ns = clock_wall_ns() - w->age_ms * NSEC_PER_MSEC,
				    .duration_ns = w->duration_ms * NSEC_PER_MSEC,
				    .period_ns = PERIOD_NS,
				    .rate_hz = 100,
				    .nr_cpus = 1,
				    .host = "feeder" };
	_cleanup_(buf_deinitp) struct buf body = BUF_NULL;
	int fd = -1, r;

	if (strchr(w->flags, 'd'))
		h.flags |= WINWIRE_CLOCK_DOUBTFUL;
	buf_init(&body, WINWIRE_BODY_MAX);
	winwire_put_body(&body, w->owners);
	for (uint64_t i = 0; i < w->owners; i++)
		put_owner(&body, w, i);
	assert(!body.error);
	r = sys_memfd("window", &fd);
	r = r ?: sys_write_all(fd, body.data, body.len);
	r = r ?: sys_seal(fd);
	assert(r == 0);
	printf("sent %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", w->number, w->samples, w->value_ns);
	r = exporterclient_send(f->client, &h, fd);
	if (r)
		printf("lost %" PRIu64 " %d\n", w->number, r);
}

static void on_line(struct feeder *f, const char *line)
{
	struct window w = { .number = 0 };

	if (sscanf(line,
		   "put %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
		   " %15s",
		   &w.number, &w.age_ms, &w.duration_ms, &w.owners, &w.stacks, &w.name_bytes,
		   w.flags) == 7 &&
	    w.name_bytes <= NAME_MAX_BYTES)
		send_window(f, &w);
	else
		printf("what? %s\n", line);
}

static int on_input(struct loop_source *source, uint32_t events, void *userdata)
{
	struct feeder *f = userdata;
	ssize_t n = read(STDIN_FILENO, f->line + f->len, sizeof(f->line) - 1 - f->len);
	char *end;

	if (n <= 0) {
		loop_stop(f->loop, 0);
		return 0;
	}
	f->len += (size_t)n;
	f->line[f->len] = '\0';
	while ((end = strchr(f->line, '\n'))) {
		*end++ = '\0';
		on_line(f, f->line);
		f->len -= (size_t)(end - f->line);
		memmove(f->line, end, f->len + 1);
	}
	return 0;
}

static void on_answer(uint64_t number, int error, void *userdata)
{
	if (error)
		printf("refused %" PRIu64 " %d\n", number, error);
	else
		printf("stored %" PRIu64 "\n", number);
}

/* Its socket is descriptor 3. */
static int spawn(int socket_fd, pid_t *ret_pid, void *userdata)
{
	sigset_t none;

	*ret_pid = fork();
	if (*ret_pid == 0) {
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		if (socket_fd == 3 ? fcntl(3, F_SETFD, 0) < 0 : dup2(socket_fd, 3) < 0)
			_exit(127);
		execv(((char **)userdata)[0], userdata);
		_exit(127);
	}
	close(socket_fd);
	return *ret_pid < 0 ? err_last() : 0;
}

/* Exporters come and go: the test asks the last one named. */
static int on_tick(struct loop_source *source, uint64_t missed, void *userdata)
{
	struct feeder *f = userdata;
	int pid = exporterclient_pid(f->client);

	if (pid && pid != f->pid)
		printf("exporter %d\n", pid);
	f->pid = pid;
	return 0;
}

int main(int argc, char **argv)
{
	struct feeder f = { .agent_start_ns = clock_boot_ns() };
	struct exporterclient_config config = { .spawn = spawn,
						.spawn_userdata = argv + 1,
						.on_answer = on_answer };
	struct loop_source *input, *tick;
	struct err err = ERR_NULL;
	int r;

	if (argc < 2)
		return 2;
	setlinebuf(stdout);
	log_init("feeder", LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
	r = loop_new(&f.loop);
	r = r ?: exporterclient_new(&f.client, f.loop, &config, &err);
	r = r ?: loop_add_fd(f.loop, &input, STDIN_FILENO, EPOLLIN, on_input, &f);
	r = r ?: loop_add_timer(f.loop, &tick, clock_boot_ns(), 20 * NSEC_PER_MSEC, on_tick, &f);
	r = r ?: loop_run(f.loop);
	if (r < 0)
		fprintf(stderr, "%s\n", err.text[0] ? err.text : err_str(r));
	exporterclient_free(f.client);
	loop_free(f.loop);
	return r < 0;
}

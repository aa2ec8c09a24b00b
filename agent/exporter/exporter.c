/* The exporter put together. */
#include "agent/exporter/exporter.h"
#include "agent/base/clock.h"
#include "agent/base/loop.h"
#include "agent/exporter/debuginfod.h"
#include "agent/exporter/handover.h"
#include "agent/exporter/sandbox.h"
#include "agent/exporter/upload.h"
#include "agent/exporter/web.h"
#include "agent/exporter/web_listen.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <sys/stat.h>

#define CORE_SOCKET 3
#define DNS_PORT 53
#define STALE_NS (180 * NSEC_PER_SEC) /* without a window: three of them are missing */
#define MAINTAIN_IDLE_NS (10 * NSEC_PER_SEC)
#define MAINTAIN_BUSY_NS (20 * NSEC_PER_MSEC) /* between steps: room for windows and answers */

struct exporter {
	const struct options *options;
	struct loop *loop;
	struct store *store;
	struct handover *handover;
	struct upload *upload;
	struct debuginfod *debuginfod; /* NULL: off */
	struct web *web;
	uint64_t stored_ns; /* CLOCK_BOOTTIME, when the last window was */
	struct loop_source *maintain, *signals[2];
};

static void exporter_deinit(struct exporter *e)
{
	web_free(e->web);
	debuginfod_free(e->debuginfod);
	handover_free(e->handover);
	upload_free(e->upload);
	loop_source_free(e->maintain);
	for (size_t i = 0; i < ARRAY_SIZE(e->signals); i++)
		loop_source_free(e->signals[i]);
	store_free(e->store);
	loop_free(e->loop);
}
DEFINE_CLEANUP_EMBEDDED(struct exporter, exporter_deinit)

/* A terminal or a service manager signals us all; the core still has a window to hand over, and then hangs up. */
static int on_signal(struct loop_source *source, int signo, void *userdata)
{
	return 0;
}

static int on_maintain(struct loop_source *source, uint64_t missed, void *userdata)
{
	struct exporter *e = userdata;
	int r = store_maintain(e->store);

	if (r < 0)
		log_warn("the store's upkeep failed, trying again: %s", err_str(r));
	return loop_source_set_timer(
		source, clock_boot_ns() + (r > 0 ? MAINTAIN_BUSY_NS : MAINTAIN_IDLE_NS), 0);
}

static void on_stored(const struct winwire_header *header, void *userdata)
{
	struct exporter *e = userdata;

	e->stored_ns = clock_boot_ns();
	loop_source_set_timer(e->maintain, e->stored_ns + MAINTAIN_BUSY_NS, 0);
	upload_stored(e->upload, header);
}

static const char *on_hello(const char *token, void *userdata)
{
	return web_start(((struct exporter *)userdata)->web, token);
}

static void on_address(const char *address, void *userdata)
{
	handover_listening(((struct exporter *)userdata)->handover, address);
}

static void on_watch(bool watched, void *userdata)
{
	handover_watch(((struct exporter *)userdata)->handover, watched);
}

static void on_debug_ask(uint64_t number, const uint8_t *build_id, size_t len, void *userdata)
{
	debuginfod_ask(((struct exporter *)userdata)->debuginfod, number, build_id, len);
}

static void on_debug_bad(const uint8_t *build_id, size_t len, void *userdata)
{
	debuginfod_bad(((struct exporter *)userdata)->debuginfod, build_id, len);
}

static void on_debug_answer(uint64_t number, int fd, int error, void *userdata)
{
	struct exporter *e = userdata;
	int r = handover_debug_file(e->handover, number, fd, error);

	if (r < 0) /* the core is gone, and its socket says so next */
		log_debug("the core does not take a debug file: %s", err_str(r));
}

static const char *not_ready(void *userdata)
{
	struct exporter *e = userdata;

	if (!e->stored_ns)
		return "no window was stored yet";
	return clock_boot_ns() - e->stored_ns > STALE_NS ? "no window was stored for three minutes"
							 : NULL;
}

static void write_metrics(struct buf *out, void *userdata)
{
	struct exporter *e = userdata;

	handover_write_metrics(e->handover, out);
	if (upload_write_metrics(e->upload, out) < 0)
		log_debug("the store cannot tell of the uploads");
	if (e->debuginfod)
		debuginfod_write_metrics(e->debuginfod, out);
}

static void write_uploads(struct buf *out, void *userdata)
{
	struct exporter *e = userdata;

	if (upload_write_status(e->upload, out) < 0)
		log_debug("the store cannot tell of the uploads");
}

static int start_web(struct exporter *e)
{
	const struct options_web *o = &e->options->web;
	const struct web_config config = {
		.store = e->store,
		.listen = o->listen,
		.metrics_listen = o->metrics_listen,
		.hosts = o->hosts,
		.nr_hosts = o->nr_hosts,
		.on_watch = on_watch,
		.on_address = on_address,
		.write_metrics = write_metrics,
		.write_uploads = write_uploads,
		.not_ready = not_ready,
		.userdata = e,
	};

	return web_new(&e->web, e->loop, &config);
}

static int start_debuginfod(struct exporter *e, struct err *err)
{
	const struct options *o = e->options;
	_cleanup_(freep) char *dir = NULL;
	struct debuginfod_config config = { .options = &o->debuginfod,
					    .min_free_percent = o->store.min_free_percent,
					    .answer = on_debug_answer,
					    .userdata = e };

	if (!o->debuginfod.nr_urls)
		return 0;
	if (asprintf(&dir, "%s/debuginfod", o->store.dir) < 0)
		return -ENOMEM;
	config.dir = dir;
	return debuginfod_new(&e->debuginfod, e->loop, &config, err);
}

static int become(const struct options *o, struct err *err)
{
	/* the directory is made while we still may; its owner is the user that we become */
	if (!o->uid)
		return 0;
	if (mkdir(o->store.dir, 0700) == 0 && chown(o->store.dir, o->uid, o->gid) < 0)
		return err_errno(err, err_last(), "cannot give %s to user %u", o->store.dir,
				 o->uid);
	if (setgroups(0, NULL) < 0 || setresgid(o->gid, o->gid, o->gid) < 0 ||
	    setresuid(o->uid, o->uid, o->uid) < 0)
		return err_errno(err, err_last(), "cannot become user %u", o->uid);
	return 0;
}

static int setup(struct exporter *e, struct err *err)
{
	static const int signals[] = { SIGTERM, SIGINT };
	struct handover_config handover = {
		.socket = CORE_SOCKET, .on_hello = on_hello, .on_stored = on_stored, .userdata = e
	};
	int r = loop_new(&e->loop);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(signals); i++)
		r = loop_add_signal(e->loop, &e->signals[i], signals[i], on_signal, e);
	r = r ?: upload_new(&e->upload, &e->options->upload, err);
	r = r ?: become(e->options, err);
	r = r ?: store_open(&e->store, &e->options->store, err);
	r = r ?: upload_start(e->upload, e->loop, e->store, err);
	r = r ?: start_debuginfod(e, err);
	if (r < 0)
		return r;
	r = loop_add_timer(e->loop, &e->maintain, clock_boot_ns() + MAINTAIN_BUSY_NS, 0,
			   on_maintain, e);
	r = r ?: start_web(e);
	handover.store = e->store;
	if (e->debuginfod) {
		handover.on_debug_ask = on_debug_ask;
		handover.on_debug_bad = on_debug_bad;
	}
	r = r ?: handover_new(&e->handover, e->loop, &handover);
	return r == -EPERM || r == -EBADF
		       ? err_set(err, r,
				 "descriptor 3 is not the agent's socket (the exporter is "
				 "started by `fleetprof agent`)")
		       : r;
}

/* What is open now stays open; from here on there is the store, the back ends, and nothing else. */
static int confine(struct exporter *e, struct err *err)
{
	const char *const listens[] = { e->options->web.listen, e->options->web.metrics_listen };
	struct exportersandbox sandbox = { .read_write = e->options->store.dir };
	int r;

	exportersandbox_add_system_paths(&sandbox);
	r = upload_confine(e->upload, &sandbox);
	for (size_t i = 0; i < ARRAY_SIZE(listens) && r == 0; i++) {
		if (listens[i])
			r = exportersandbox_add_bind(&sandbox, web_listen_port(listens[i]));
	}
	if (r == 0 && e->debuginfod)
		r = debuginfod_confine(e->debuginfod, &sandbox);
	if (r == 0 && (upload_nr(e->upload) || e->debuginfod))
		r = exportersandbox_add_connect(&sandbox, DNS_PORT);
	return r ?: exportersandbox_enter(&sandbox, err);
}

int exporter_run(const struct options *options, struct err *err)
{
	_cleanup_(exporter_deinitp) struct exporter e = { .options = options };
	int r = setup(&e, err);

	r = r ?: confine(&e, err);
	return r ?: loop_run(e.loop);
}

/* The exporter put together. */
#include "agent/exporter/exporter.h"
#include "agent/base/clock.h"
#include "agent/base/loop.h"
#include "agent/exporter/handover.h"
#include "agent/exporter/sandbox.h"
#include "agent/exporter/upload.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <sys/stat.h>

#define CORE_SOCKET 3
#define DNS_PORT 53
#define MAINTAIN_IDLE_NS (10 * NSEC_PER_SEC)
#define MAINTAIN_BUSY_NS (20 * NSEC_PER_MSEC) /* between steps: room for windows and answers */

struct exporter {
	const struct options *options;
	struct loop *loop;
	struct store *store;
	struct handover *handover;
	struct upload *upload;
	struct loop_source *maintain, *signals[2];
};

static void exporter_deinit(struct exporter *e)
{
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

	loop_source_set_timer(e->maintain, clock_boot_ns() + MAINTAIN_BUSY_NS, 0);
	upload_stored(e->upload, header);
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
	struct handover_config handover = { .socket = CORE_SOCKET,
					    .on_stored = on_stored,
					    .userdata = e };
	int r = loop_new(&e->loop);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(signals); i++)
		r = loop_add_signal(e->loop, &e->signals[i], signals[i], on_signal, e);
	r = r ?: upload_new(&e->upload, &e->options->upload, err);
	r = r ?: become(e->options, err);
	r = r ?: store_open(&e->store, &e->options->store, err);
	r = r ?: upload_start(e->upload, e->loop, e->store, err);
	if (r < 0)
		return r;
	r = loop_add_timer(e->loop, &e->maintain, clock_boot_ns() + MAINTAIN_BUSY_NS, 0,
			   on_maintain, e);
	handover.store = e->store;
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
	struct exportersandbox sandbox = { .read_write = e->options->store.dir };
	int r;

	exportersandbox_add_system_paths(&sandbox);
	r = upload_confine(e->upload, &sandbox);
	if (r == 0 && upload_nr(e->upload))
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

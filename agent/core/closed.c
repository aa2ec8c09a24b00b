/* A closed window on its way to the exporter. */
#include "agent/core/closed.h"
#include "agent/core/owners_profile.h"
#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/sys.h"
#include "agent/core/symbolize.h"
#include "agent/core/workload.h"
#include "proto/compact.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define STEP_NS (5 * NSEC_PER_MSEC)
#define NAMES_NS (2 * NSEC_PER_SEC) /* for containers' names, which most often are known */
#define NO_OWNER UINT32_MAX
#define SECONDS_BYTES_MAX 65536
#define NR_LABELS 7

static const char *const label_keys[NR_LABELS] = {
	"pod", "pod_uid", "namespace", "workload", "container", "nested_id", "within",
};

enum state { STATE_WAITING, STATE_PACKING, STATE_READY };

struct closed {
	struct closed_input input;
	enum state state;
	uint64_t closed_boot_ns;
	struct profile *profile;
	struct symbolize *symbolize;
	uint32_t owners[OWNERS_SLOTS]; /* the profile's index, or NO_OWNER */
	uint32_t labels[OWNERS_SLOTS][NR_LABELS]; /* the profile's strings */
	struct compact_encoder *encoder; /* from now on the profile does not change */
	uint32_t next; /* owner to be packed */
	size_t nr_packed;
	struct buf packed; /* the owners' part of the body */
	int body_fd;
};

struct closed *closed_free(struct closed *c)
{
	if (!c)
		return NULL;
	compact_encoder_free(c->encoder);
	symbolize_free(c->symbolize);
	profile_free(c->profile);
	window_free(c->input.window);
	histogram_free(c->input.histogram);
	buf_deinit(&c->packed);
	close_fd(c->body_fd);
	free(c);
	return NULL;
}

static int start_symbolizing(struct closed *c)
{
	const struct sampling *s = c->input.sampling;
	struct symbolize_config config = { .symbolizer = s->symbolizer,
					   .objects = s->objects,
					   .jitmaps = s->jitmaps,
					   .cache = c->input.symcache,
					   .disk = c->input.symdisk,
					   .kallsyms_fd = s->kallsyms_fd,
					   .vmlinux_fd = vmlinux_fd(s->vmlinux),
					   .vdso_fd = s->vdso_fd };
	int r = profile_new(&c->profile);

	return r ?: symbolize_new(&c->symbolize, &config, c->input.window, c->profile);
}

int closed_new(struct closed **ret, struct closed_input *input)
{
	_cleanup_(closed_freep) struct closed *c = calloc(1, sizeof(*c));
	int r;

	if (!c) {
		input->window = window_free(input->window);
		input->histogram = histogram_free(input->histogram);
		return -ENOMEM;
	}
	c->input = *input;
	input->window = NULL;
	input->histogram = NULL;
	c->body_fd = -1;
	c->closed_boot_ns = clock_boot_ns();
	buf_init(&c->packed, WINWIRE_BODY_MAX - WINWIRE_PACKET_MAX);
	r = start_symbolizing(c);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(c);
	return 0;
}

static bool is_waiting(const struct closed *c, uint64_t now)
{
	if (now >= c->input.deadline_boot_ns)
		return false;
	if (symbolize_pending(c->symbolize))
		return true;
	return names_pending(c->input.sampling->names) && now - c->closed_boot_ns < NAMES_NS;
}

/* The texts of the labels become strings of the profile, which makes them valid UTF-8. */
static int add_labels(struct closed *c, uint32_t index, const struct owners_entry *e)
{
	char workload[OWNER_NAME_MAX];
	const char *const values[NR_LABELS] = {
		e->names.pod,       e->ref.pod_uid,   e->names.namespace, workload,
		e->names.container, e->ref.nested_id, e->ref.within,
	};
	int r = 0;

	workload_of_pod(e->names.pod, workload, sizeof(workload));
	for (size_t i = 0; !r && i < NR_LABELS; i++)
		r = profile_add_string(c->profile, values[i], &c->labels[index][i]);
	return r;
}

static int add_owner(struct closed *c, uint32_t index)
{
	const struct owners_entry *e = owners_get(c->input.sampling->owners, index);
	int r = add_labels(c, index, e);

	return r ?: owners_add_to_profile(e, c->profile, &c->owners[index]);
}

/* The owners that have samples become the profile's. */
static int add_owners(struct closed *c)
{
	const struct window *w = c->input.window;

	memset(c->owners, 0xff, sizeof(c->owners));
	for (size_t i = 0; i < window_rows(w); i++) {
		struct window_row row;
		int r;

		window_row(w, i, &row);
		if (c->owners[row.owner] != NO_OWNER)
			continue;
		r = add_owner(c, row.owner);
		if (r < 0)
			return r;
	}
	return 0;
}

static int finish_names(struct closed *c)
{
	struct symbolize_counts counts;
	int r = add_owners(c);

	if (!r)
		r = symbolize_finish(c->symbolize, c->owners, &counts);
	c->symbolize = symbolize_free(c->symbolize);
	stack_counts_add_window(c->input.stacks, c->input.window);
	stack_counts_add_profile(c->input.stacks, c->profile, c->owners, OWNERS_SLOTS);
	c->input.window = window_free(c->input.window); /* its rows are in the profile now */
	if (!r)
		r = compact_encoder_new(&c->encoder, c->profile);
	return r;
}

static void describe_owner(const struct closed *c, uint32_t index, struct winwire_owner *ret)
{
	const struct usage_numbers *usage = &c->input.usage[index];
	const struct profile_owner *o;
	struct profile_view view;

	profile_view(c->profile, &view);
	o = &view.owners[c->owners[index]];
	*ret = (struct winwire_owner) {
		.name = profile_string(c->profile, o->name),
		.id = profile_string(c->profile, o->id),
		.runtime = profile_string(c->profile, o->runtime),
		.image = profile_string(c->profile, o->image),
		.cgroup_path = profile_string(c->profile, o->cgroup_path),
		.samples = o->samples,
		.value_ns = o->value_ns,
		.usage_ns = usage->usage_ns,
		.nr_throttled = usage->nr_throttled,
		.throttled_ns = usage->throttled_ns,
	};
	for (size_t i = 0; i < NR_LABELS; i++) {
		if (c->labels[index][i])
			ret->labels[ret->nr_labels++] = (struct winwire_label) {
				.key = label_keys[i],
				.value = profile_string(c->profile, c->labels[index][i])
			};
	}
}

static int pack_owner(struct closed *c, uint32_t index)
{
	_cleanup_(buf_deinitp) struct buf profile = BUF_NULL, seconds = BUF_NULL;
	struct winwire_owner owner;
	const uint32_t *samples;
	size_t nr;
	int r;

	buf_init(&profile, WINWIRE_BODY_MAX);
	buf_init(&seconds, SECONDS_BYTES_MAX);
	r = compact_encode(c->encoder, c->owners[index], &profile);
	if (r < 0)
		return r;
	samples = histogram_seconds(c->input.histogram, index, &nr);
	winwire_put_seconds(&seconds, samples, nr);
	describe_owner(c, index, &owner);
	owner.profile = (const uint8_t *)profile.data;
	owner.profile_len = profile.len;
	owner.seconds = (const uint8_t *)buf_str(&seconds);
	owner.seconds_len = seconds.len;
	winwire_put_owner(&c->packed, &owner);
	c->nr_packed++;
	return seconds.error ?: c->packed.error;
}

/* Packs for some milliseconds. An owner that cannot be packed is left out, and said. */
static int pack_some(struct closed *c)
{
	uint64_t until = clock_boot_ns() + STEP_NS;

	while (c->next < OWNERS_SLOTS && clock_boot_ns() < until) {
		uint32_t index = c->next++;
		int r = c->owners[index] == NO_OWNER ? 0 : pack_owner(c, index);

		if (c->packed.error)
			return c->packed.error;
		if (r < 0)
			log_error("the profile of %s in window %" PRIu64 " is lost: %s",
				  owners_name(owners_get(c->input.sampling->owners, index)),
				  c->input.header.number, err_str(r));
	}
	return c->next < OWNERS_SLOTS ? CLOSED_E_BUSY : 0;
}

/* How many owners there are stands before them. */
static int make_body(struct closed *c)
{
	_cleanup_(buf_deinitp) struct buf head = BUF_NULL;
	_cleanup_(closep) int fd = -1;
	int r = sys_memfd("fleetprof-window", &fd);

	buf_init(&head, 64);
	winwire_put_body(&head, c->nr_packed);
	if (!r)
		r = head.error ?: sys_write_all(fd, head.data, head.len);
	if (!r && c->packed.len)
		r = sys_write_all(fd, c->packed.data, c->packed.len);
	if (!r)
		r = sys_seal(fd);
	if (r < 0)
		return r;
	c->body_fd = TAKE_FD(fd);
	c->state = STATE_READY;
	return 0;
}

int closed_step(struct closed *c, uint64_t now)
{
	int r;

	switch (c->state) {
	case STATE_WAITING:
		if (is_waiting(c, now))
			return CLOSED_E_WAITS;
		r = finish_names(c);
		if (r < 0)
			return r;
		c->state = STATE_PACKING;
		return CLOSED_E_BUSY;
	case STATE_PACKING:
		r = pack_some(c);
		return r ?: make_body(c);
	case STATE_READY:
		return 0;
	}
	return -EINVAL;
}

const struct winwire_header *closed_header(const struct closed *c)
{
	return &c->input.header;
}

int closed_take_body(struct closed *c)
{
	return TAKE_FD(c->body_fd);
}

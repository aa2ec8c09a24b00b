/* The kernel side's room for unwind tables. */
#include "agent/core/sampler_tables.h"
#include "agent/base/err.h"
#include "agent/base/log.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "bpf/unwind_table.h"

#define BATCH_MAX 16 /* slabs of one update */

enum order_kind { ORDER_SLABS, ORDER_GRACE };

/* What goes to the thread and comes back from it: small enough for a pipe to take it as a whole. */
struct order {
	enum order_kind kind;
	uint32_t first, nr;
	int error;
};

struct sampler_tables {
	struct loop_source *source;
	sampler_tables_fn fn;
	void *userdata;
	int outer_fd;
	uint32_t outer_entries, nr_slots;
	uint32_t asked; /* slabs */
	void **slabs; /* [outer_entries]; the thread fills them in before it answers */
	struct unwind_slot *slots;
	size_t slots_size;
	int to_thread[2], from_thread[2];
	int first_slab_fd; /* the thread's: what grace periods are had with */
	pthread_t thread;
	bool running;
};

/* ---- the thread ---- */

static int make_slab(struct sampler_tables *t, uint32_t number, int *ret_fd)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "fp_slab", sizeof(uint32_t), UNWIND_SLAB_BYTES,
				1, &opts);
	void *memory;

	if (fd < 0)
		return fd;
	memory = mmap(NULL, UNWIND_SLAB_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED) {
		int r = err_last();

		close(fd);
		return r;
	}
	t->slabs[number] = memory;
	*ret_fd = fd;
	return 0;
}

static int make_slabs(struct sampler_tables *t, uint32_t first, uint32_t nr)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	uint32_t keys[BATCH_MAX], count = nr;
	int fds[BATCH_MAX], r = 0;

	for (uint32_t i = 0; i < nr; i++)
		fds[i] = -1;
	for (uint32_t i = 0; !r && i < nr; i++) {
		keys[i] = first + i;
		r = make_slab(t, first + i, &fds[i]);
	}
	if (!r)
		r = bpf_map_update_batch(t->outer_fd, keys, fds, &count, &opts);
	if (!r && t->first_slab_fd < 0)
		t->first_slab_fd = TAKE_FD(fds[0]);
	for (uint32_t i = 0; i < nr; i++) {
		close_fd(fds[i]);
		if (r && t->slabs[first + i]) {
			munmap(t->slabs[first + i], UNWIND_SLAB_BYTES);
			t->slabs[first + i] = NULL;
		}
	}
	return r;
}

/* kernel/bpf/syscall.c, maybe_wait_bpf_programs(): an update of an outer map returns after a grace period. */
static int wait_grace(struct sampler_tables *t)
{
	uint32_t last = t->outer_entries - 1;

	return bpf_map_update_elem(t->outer_fd, &last, &t->first_slab_fd, BPF_ANY);
}

static void *thread_main(void *userdata)
{
	struct sampler_tables *t = userdata;
	struct order order;

	while (read(t->to_thread[0], &order, sizeof(order)) == sizeof(order)) {
		order.error = order.kind == ORDER_SLABS ? make_slabs(t, order.first, order.nr)
							: wait_grace(t);
		if (write(t->from_thread[1], &order, sizeof(order)) != sizeof(order))
			break;
	}
	return NULL;
}

static int start_thread(struct sampler_tables *t)
{
	sigset_t all, before;
	int r;

	if (t->running)
		return 0;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&t->thread, NULL, thread_main, t);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	t->running = !r;
	return -r;
}

/* ---- the loop's side ---- */

static int on_answer(struct loop_source *source, uint32_t events, void *userdata)
{
	struct sampler_tables *t = userdata;
	struct order order;

	while (read(t->from_thread[0], &order, sizeof(order)) == sizeof(order)) {
		if (order.error && order.kind == ORDER_SLABS)
			t->asked -= order.nr;
		if (t->fn)
			t->fn(order.kind == ORDER_SLABS ? order.nr : 0, order.error, t->userdata);
	}
	return 0;
}

static int order(struct sampler_tables *t, const struct order *what)
{
	int r = start_thread(t);

	if (r < 0)
		return r;
	return write(t->to_thread[1], what, sizeof(*what)) == sizeof(*what) ? 0 : err_last();
}

int sampler_tables_make(struct sampler_tables *t, uint32_t nr)
{
	struct order what = { .kind = ORDER_SLABS, .first = t->asked };
	uint32_t left = t->outer_entries - 1 - t->asked;
	int r;

	what.nr = MIN(MIN(nr, left), (uint32_t)BATCH_MAX);
	if (!what.nr)
		return -ENOSPC;
	r = order(t, &what);
	if (!r)
		t->asked += what.nr;
	return r;
}

int sampler_tables_grace(struct sampler_tables *t)
{
	const struct order what = { .kind = ORDER_GRACE };

	return order(t, &what);
}

void *sampler_tables_slab(const struct sampler_tables *t, uint32_t slab)
{
	return t->slabs[slab];
}

uint32_t sampler_tables_slabs_max(const struct sampler_tables *t)
{
	return t->outer_entries - 1;
}

uint32_t sampler_tables_nr_slots(const struct sampler_tables *t)
{
	return t->nr_slots;
}

void sampler_tables_set(struct sampler_tables *t, uint32_t slot, uint64_t table)
{
	/* What the word points at is written before the word is. */
	__atomic_store_n(&t->slots[slot].table, table, __ATOMIC_RELEASE);
}

uint32_t sampler_tables_used_s(const struct sampler_tables *t, uint32_t slot)
{
	return __atomic_load_n(&t->slots[slot].used_s, __ATOMIC_RELAXED);
}

void sampler_tables_on_done(struct sampler_tables *t, sampler_tables_fn fn, void *userdata)
{
	t->fn = fn;
	t->userdata = userdata;
}

static int map_slots(struct sampler_tables *t, int slots_fd)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *slots;

	t->slots_size = (t->nr_slots * sizeof(*t->slots) + page - 1) / page * page;
	slots = mmap(NULL, t->slots_size, PROT_READ | PROT_WRITE, MAP_SHARED, slots_fd, 0);
	if (slots == MAP_FAILED)
		return err_last();
	t->slots = slots;
	return 0;
}

int sampler_tables_new(struct sampler_tables **ret, struct loop *loop, int outer_fd, int slots_fd,
		       uint32_t outer_entries, uint32_t nr_slots)
{
	_cleanup_(sampler_tables_freep) struct sampler_tables *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	t->outer_fd = outer_fd;
	t->outer_entries = outer_entries;
	t->nr_slots = nr_slots;
	t->first_slab_fd = t->to_thread[0] = t->to_thread[1] = -1;
	t->from_thread[0] = t->from_thread[1] = -1;
	t->slabs = calloc(outer_entries, sizeof(*t->slabs));
	if (!t->slabs)
		return -ENOMEM;
	r = map_slots(t, slots_fd);
	if (r < 0)
		return r;
	if (pipe2(t->to_thread, O_CLOEXEC) < 0 || pipe2(t->from_thread, O_CLOEXEC) < 0 ||
	    fcntl(t->to_thread[1], F_SETFL, O_NONBLOCK) < 0 ||
	    fcntl(t->from_thread[0], F_SETFL, O_NONBLOCK) < 0)
		return err_last();
	r = loop_add_fd(loop, &t->source, t->from_thread[0], EPOLLIN, on_answer, t);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(t);
	return 0;
}

struct sampler_tables *sampler_tables_free(struct sampler_tables *t)
{
	if (!t)
		return NULL;
	loop_source_free(t->source);
	t->to_thread[1] = close_fd(t->to_thread[1]); /* the thread reads the end */
	if (t->running)
		pthread_join(t->thread, NULL);
	close_fd(t->to_thread[0]);
	close_fd(t->from_thread[0]);
	close_fd(t->from_thread[1]);
	close_fd(t->first_slab_fd);
	for (uint32_t i = 0; t->slabs && i < t->outer_entries; i++) {
		if (t->slabs[i])
			munmap(t->slabs[i], UNWIND_SLAB_BYTES);
	}
	free(t->slabs);
	if (t->slots)
		munmap(t->slots, t->slots_size);
	free(t);
	return NULL;
}

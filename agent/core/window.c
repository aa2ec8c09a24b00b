/* The aggregation window. */
#include "agent/core/window.h"
#include "agent/base/hashmap.h"
#include "agent/base/intern.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define COMM_BYTES_MAX (16u << 20) /* a million different comms */

struct stack {
	uint32_t first, nr; /* into words */
};

struct process_key {
	uint64_t start_boot_ns;
	uint32_t tgid, pad;
};

struct row_key {
	uint32_t owner, process, comm, stack;
	uint32_t end_reason, pad;
};

struct row {
	struct row_key key;
	uint64_t count, value;
};

struct process {
	struct process_key key;
	uint32_t comm;
};

/* A growing array of fixed-size elements. */
struct array {
	void *data;
	size_t nr, size, element;
};

struct window {
	struct window_limits limits;
	uint64_t seed;
	struct intern *comms;
	struct hashmap *stack_of_hash; /* uint64_t → uint32_t: first stack with that hash */
	struct hashmap *process_of_key; /* struct process_key → uint32_t */
	struct hashmap *row_of_key; /* struct row_key → uint32_t */
	struct array words, stacks, processes, rows;
};

static int array_push(struct array *a, const void *element, size_t nr)
{
	if (a->nr + nr > a->size) {
		size_t size = MAX(a->size * 2, MAX(a->nr + nr, (size_t)256));
		void *data = realloc(a->data, size * a->element);

		if (!data)
			return -ENOMEM;
		a->data = data;
		a->size = size;
	}
	if (nr)
		memcpy((char *)a->data + a->nr * a->element, element, nr * a->element);
	a->nr += nr;
	return 0;
}

int window_new(struct window **ret, const struct window_limits *limits)
{
	_cleanup_(window_freep) struct window *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->limits = *limits;
	if (getrandom(&w->seed, sizeof(w->seed), GRND_NONBLOCK) != sizeof(w->seed))
		w->seed = (uint64_t)(uintptr_t)w;
	w->words.element = sizeof(uint64_t);
	w->stacks.element = sizeof(struct stack);
	w->processes.element = sizeof(struct process);
	w->rows.element = sizeof(struct row);
	r = intern_new(&w->comms, COMM_BYTES_MAX);
	if (!r)
		r = hashmap_new(&w->stack_of_hash, sizeof(uint64_t), sizeof(uint32_t),
				limits->max_rows);
	if (!r)
		r = hashmap_new(&w->process_of_key, sizeof(struct process_key), sizeof(uint32_t),
				limits->max_rows);
	if (!r)
		r = hashmap_new(&w->row_of_key, sizeof(struct row_key), sizeof(uint32_t),
				limits->max_rows);
	if (r)
		return r;
	*ret = TAKE_PTR(w);
	return 0;
}

struct window *window_free(struct window *w)
{
	if (!w)
		return NULL;
	intern_free(w->comms);
	hashmap_free(w->stack_of_hash);
	hashmap_free(w->process_of_key);
	hashmap_free(w->row_of_key);
	free(w->words.data);
	free(w->stacks.data);
	free(w->processes.data);
	free(w->rows.data);
	free(w);
	return NULL;
}

static bool same_words(const struct window *w, uint32_t stack, const uint64_t *words, size_t nr)
{
	const struct stack *s = (const struct stack *)w->stacks.data + stack;

	return s->nr == nr &&
	       !memcmp((const uint64_t *)w->words.data + s->first, words, nr * sizeof(*words));
}

static int add_stack(struct window *w, const uint64_t *words, size_t nr, uint32_t *ret)
{
	struct stack stack = { .first = (uint32_t)w->words.nr, .nr = (uint32_t)nr };
	uint64_t hash = hash_bytes(words, nr * sizeof(*words), w->seed);
	void *value;
	bool is_new;
	int r;

	/* Two stacks with one hash: the second looks under the next number. */
	for (;; hash++) {
		r = hashmap_put(w->stack_of_hash, &hash, &value, &is_new);
		if (r)
			return r < 0 ? r : WINDOW_E_FULL;
		if (is_new)
			break;
		if (same_words(w, *(uint32_t *)value, words, nr)) {
			*ret = *(uint32_t *)value;
			return 0;
		}
	}
	*(uint32_t *)value = (uint32_t)w->stacks.nr;
	r = w->words.nr + nr > w->limits.max_words ? WINDOW_E_FULL
						   : array_push(&w->words, words, nr);
	if (!r)
		r = array_push(&w->stacks, &stack, 1);
	if (r) {
		hashmap_remove(w->stack_of_hash, &hash);
		return r;
	}
	*ret = (uint32_t)w->stacks.nr - 1;
	return 0;
}

static int add_process(struct window *w, const struct window_sample *sample, uint32_t *ret)
{
	struct process process = { .key = { .start_boot_ns = sample->start_boot_ns,
					    .tgid = sample->tgid } };
	void *value;
	bool is_new;
	int r;

	r = intern_add(w->comms, sample->leader_comm, strlen(sample->leader_comm), &process.comm);
	if (!r)
		r = hashmap_put(w->process_of_key, &process.key, &value, &is_new);
	if (r)
		return r < 0 ? r : WINDOW_E_FULL;
	if (!is_new) {
		*ret = *(uint32_t *)value;
		((struct process *)w->processes.data)[*ret].comm = process.comm;
		return 0;
	}
	*(uint32_t *)value = *ret = (uint32_t)w->processes.nr;
	r = array_push(&w->processes, &process, 1);
	if (r)
		hashmap_remove(w->process_of_key, &process.key);
	return r;
}

int window_add(struct window *w, const struct window_sample *sample)
{
	struct row row = { .key = { .owner = sample->owner, .end_reason = sample->end_reason } };
	struct row *found;
	void *value;
	bool is_new;
	int r;

	r = intern_add(w->comms, sample->thread_comm, strlen(sample->thread_comm), &row.key.comm);
	if (r)
		return r < 0 ? r : WINDOW_E_FULL;
	r = add_process(w, sample, &row.key.process);
	if (!r)
		r = add_stack(w, sample->words, sample->nr_words, &row.key.stack);
	if (r)
		return r;
	r = hashmap_put(w->row_of_key, &row.key, &value, &is_new);
	if (r)
		return r < 0 ? r : WINDOW_E_FULL;
	if (is_new) {
		*(uint32_t *)value = (uint32_t)w->rows.nr;
		r = array_push(&w->rows, &row, 1);
		if (r) {
			hashmap_remove(w->row_of_key, &row.key);
			return r;
		}
		value = hashmap_get(w->row_of_key, &row.key);
	}
	found = (struct row *)w->rows.data + *(uint32_t *)value;
	found->count++;
	found->value += sample->value;
	return 0;
}

size_t window_rows(const struct window *w)
{
	return w->rows.nr;
}

void window_row(const struct window *w, size_t index, struct window_row *ret)
{
	const struct row *row = (const struct row *)w->rows.data + index;
	const struct stack *stack = (const struct stack *)w->stacks.data + row->key.stack;

	*ret = (struct window_row) {
		.owner = row->key.owner,
		.process = row->key.process,
		.thread_comm = intern_get(w->comms, row->key.comm, NULL),
		.words = (const uint64_t *)w->words.data + stack->first,
		.nr_words = stack->nr,
		.end_reason = (uint16_t)row->key.end_reason,
		.count = row->count,
		.value = row->value,
	};
}

size_t window_processes(const struct window *w)
{
	return w->processes.nr;
}

void window_process(const struct window *w, size_t index, struct window_process *ret)
{
	const struct process *process = (const struct process *)w->processes.data + index;

	*ret = (struct window_process) {
		.tgid = process->key.tgid,
		.start_boot_ns = process->key.start_boot_ns,
		.comm = intern_get(w->comms, process->comm, NULL),
	};
}

const uint64_t *window_words(const struct window *w, size_t *ret_nr)
{
	*ret_nr = w->words.nr;
	return w->words.data;
}

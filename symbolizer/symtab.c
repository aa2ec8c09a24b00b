/*
 * Functions by symbol tables: in one pass over them, or from a sorted table.
 *
 * A symbol with a size holds what it says; one without reaches to the next symbol, or its section's end. The one that
 * begins last before an address and holds it is the answer; of several at one place the preferred one, else the first.
 */
#include "symbolizer/symtab.h"
#include "symbolizer/symtab_plt.h"
#include "symbolizer/symtab_source.h"

#include <errno.h>
#include <stdlib.h>

#define FILES_MAX 2
#define SYMBOLS_MAX (16u << 20)
#define PASSES_MAX 8 /* after so many the table pays */
#define PART_MIN 16 /* queries of a pass, when memory is short */
#define WORK_MAX                                                                                   \
	(64u << 20) /* addresses that symbols hold, in one pass: overlapping ones may be a bomb */

/* Where a symbol is. */
struct place {
	uint32_t source, index;
};

struct entry {
	uint64_t start, end;
	uint64_t reach; /* largest end of the entries up to this one */
	uint32_t index;
	uint16_t source;
	uint8_t rank;
	bool unsized;
};

struct symtab {
	struct mem *mem;
	struct symtab_file files[FILES_MAX];
	size_t nr_files, nr_sources;
	struct symtab_source sources[SYMTAB_SOURCES_MAX];
	struct symtab_plt plt;
	uint32_t passes;
	struct entry
		*entries; /* sorted, the preferred of equals last; NULL: not yet, or no memory */
	size_t nr, size;
};

static int add_file(struct symtab *t, Elf *elf, int fd)
{
	struct symtab_file *file = &t->files[t->nr_files];
	int r = elf ? symtab_file_init(file, elf, fd, t->mem) : 0;

	if (r || !elf)
		return r;
	t->nr_files++;
	t->nr_sources = symtab_sources_add(t->sources, t->nr_sources, file, elf);
	return 0;
}

int symtab_new(struct symtab **ret, const struct symtab_files *files, struct mem *mem)
{
	_cleanup_(symtab_freep) struct symtab *t = mem_zalloc(mem, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	t->mem = mem;
	r = add_file(t, files->elf, files->fd);
	if (!r && files->debug)
		r = add_file(t, files->debug, files->debug_fd);
	else if (!r)
		r = add_file(t, files->mini, -1);
	if (r)
		return r;
	symtab_plt_init(&t->plt, files->elf);
	*ret = TAKE_PTR(t);
	return 0;
}

struct symtab *symtab_free(struct symtab *t)
{
	struct mem *mem;

	if (!t)
		return NULL;
	mem = t->mem;
	mem_free(mem, t->entries, t->size * sizeof(*t->entries));
	for (size_t i = 0; i < t->nr_files; i++)
		symtab_file_deinit(&t->files[i]);
	mem_free(mem, t, sizeof(*t));
	return NULL;
}

/* Calls for each function's symbol, in the order of the tables, until it returns other than 0. */
typedef int (*symbol_fn)(void *userdata, const struct symtab_symbol *symbol, struct place place);

static inline int each_symbol(struct symtab *t, symbol_fn fn, void *userdata)
{
	struct symtab_symbol symbol;
	int r = 0;

	for (uint32_t i = 0; i < t->nr_sources && !r; i++) {
		const struct symtab_source *s = &t->sources[i];

		for (size_t j = 0; j < s->nr && j < UINT32_MAX && !r; j++) {
			if (j % SYMTAB_STEP == 0)
				symtab_source_touch(s, j);
			if (symtab_source_read(s, j, &symbol))
				r = fn(userdata, &symbol,
				       (struct place) { .source = i, .index = (uint32_t)j });
		}
	}
	return r;
}

static uint64_t end_of(const struct symtab_symbol *symbol)
{
	uint64_t end = symbol->start + symbol->size;

	return end < symbol->start ? UINT64_MAX : end;
}

static const char *name_at(const struct symtab *t, struct place place)
{
	const struct symtab_source *s = &t->sources[place.source];
	struct symtab_symbol symbol;

	return symtab_source_read(s, place.index, &symbol) ? symtab_source_string(s, symbol.name)
							   : "";
}

/* A symbol that may be the answer to a query. */
struct candidate {
	uint64_t start, end;
	uint32_t rank; /* UINT32_MAX: none */
	struct place place;
};
#define CANDIDATE_NONE ((struct candidate) { .rank = UINT32_MAX })

/* What a pass finds out about one query. */
struct slot {
	struct candidate sized; /* that holds the address */
	struct candidate unsized; /* that begins last, in the gap below the address */
};

/* The symbols that begin above the query before, up to this one's address. */
struct gap {
	uint64_t first, last; /* first UINT64_MAX: none */
};

struct pass {
	const uint64_t *addresses; /* of the queries, ascending */
	size_t nr;
	struct slot *slots;
	struct gap *gaps; /* as slots, one more behind them: for what begins above */
	uint32_t *
		buckets; /* stretch of addresses → first query that is not below; one more behind them */
	uint64_t base;
	uint32_t shift;
	size_t work;
	struct arena memory;
};

#define BUCKETS_MIN 64

/* As many stretches of equal size as there are queries, or more. */
static bool make_buckets(struct pass *pass)
{
	uint64_t range = pass->addresses[pass->nr - 1] - pass->base;
	size_t nr = MAX(pass->nr, (size_t)BUCKETS_MIN), i = 0;

	while (range >> pass->shift >= nr)
		pass->shift++;
	nr = (range >> pass->shift) + 2;
	pass->buckets = arena_alloc(&pass->memory, nr * sizeof(*pass->buckets));
	for (size_t b = 0; pass->buckets && b < nr; b++) {
		while (i < pass->nr && (pass->addresses[i] - pass->base) >> pass->shift < b)
			i++;
		pass->buckets[b] = (uint32_t)i;
	}
	return pass->buckets;
}

static bool pass_init(struct pass *pass, const struct symtab_query *queries, size_t nr,
		      struct mem *mem)
{
	uint64_t *addresses;

	*pass = (struct pass) { .nr = nr, .base = queries[0].vaddr };
	arena_init(&pass->memory, mem);
	addresses = arena_alloc(&pass->memory, nr * sizeof(*addresses));
	pass->addresses = addresses;
	pass->slots = arena_alloc(&pass->memory, (nr + 1) * sizeof(*pass->slots));
	pass->gaps = arena_alloc(&pass->memory, (nr + 1) * sizeof(*pass->gaps));
	if (!addresses || !pass->slots || !pass->gaps)
		return false;
	for (size_t i = 0; i <= nr; i++) {
		pass->slots[i] =
			(struct slot) { .sized = CANDIDATE_NONE, .unsized = CANDIDATE_NONE };
		pass->gaps[i] = (struct gap) { .first = UINT64_MAX };
		if (i < nr)
			addresses[i] = queries[i].vaddr;
	}
	return make_buckets(pass);
}

static void offer(struct candidate *best, const struct symtab_symbol *symbol, uint64_t end,
		  struct place place)
{
	if (best->rank != UINT32_MAX &&
	    (symbol->start < best->start ||
	     (symbol->start == best->start && symbol->rank >= best->rank)))
		return;
	*best = (struct candidate) {
		.start = symbol->start, .end = end, .rank = symbol->rank, .place = place
	};
}

/* The first query whose address is not below. */
static inline size_t first_query(const struct pass *pass, uint64_t address)
{
	size_t lo, n;

	if (address <= pass->base)
		return 0;
	if (address > pass->addresses[pass->nr - 1])
		return pass->nr;
	n = (address - pass->base) >> pass->shift;
	lo = pass->buckets[n];
	n = pass->buckets[n + 1] - lo;
	while (n > 0) {
		size_t half = n / 2;
		bool below = pass->addresses[lo + half] < address;

		lo = below ? lo + half + 1 : lo;
		n = below ? n - half - 1 : half;
	}
	return lo;
}

static inline int on_symbol(void *userdata, const struct symtab_symbol *symbol, struct place place)
{
	struct pass *pass = userdata;
	size_t i = first_query(pass, symbol->start);
	struct gap *gap = &pass->gaps[i];
	uint64_t end = end_of(symbol);

	gap->first = MIN(gap->first, symbol->start);
	gap->last = MAX(gap->last, symbol->start);
	if (!symbol->size)
		offer(&pass->slots[i].unsized, symbol, symbol->limit, place);
	for (; symbol->size && i < pass->nr && pass->addresses[i] < end; i++) {
		offer(&pass->slots[i].sized, symbol, end, place);
		if (pass->work++ > WORK_MAX)
			break;
	}
	return 0;
}

/* near is where the symbol begins that is next at or below the address, next where the one above does. */
static void set_answer(const struct symtab *t, const struct candidate *best, uint64_t near,
		       uint64_t next, struct symtab_query *q)
{
	const char *name = name_at(t, best->place);

	if (!*name)
		return;
	q->name = name;
	/* Behind a symbol that is within another one, this address alone is certain. */
	if (best->start == near)
		stretch_narrow(&q->stretch, near, MIN(best->end, next));
	else
		stretch_narrow(&q->stretch, q->vaddr, q->vaddr + 1);
}

static void take_slot(const struct symtab *t, const struct slot *slot,
		      const struct candidate *unsized, uint64_t near, uint64_t next,
		      struct symtab_query *q)
{
	const struct candidate *best = &slot->sized;

	if (unsized->rank != UINT32_MAX && unsized->start == near && q->vaddr < unsized->end &&
	    (best->rank == UINT32_MAX || best->start < near || unsized->rank < best->rank))
		best = unsized;
	if (best->rank != UINT32_MAX)
		set_answer(t, best, near, next, q);
}

static void take_answers(const struct symtab *t, const struct pass *pass,
			 struct symtab_query *queries)
{
	struct candidate unsized = CANDIDATE_NONE;
	uint64_t near = 0, next;
	size_t above = 0;

	for (size_t i = 0; i < pass->nr; i++) {
		if (pass->gaps[i].first != UINT64_MAX)
			near = pass->gaps[i].last;
		if (pass->slots[i].unsized.rank != UINT32_MAX)
			unsized = pass->slots[i].unsized;
		above = MAX(above, i + 1);
		while (above < pass->nr && pass->gaps[above].first == UINT64_MAX)
			above++;
		next = pass->gaps[above].first;
		take_slot(t, &pass->slots[i], &unsized, near, next, &queries[i]);
	}
}

static int answer_by_pass(struct symtab *t, struct symtab_query *queries, size_t nr)
{
	struct pass pass;
	bool good = pass_init(&pass, queries, nr, t->mem);

	if (good) {
		t->passes++;
		each_symbol(t, on_symbol, &pass);
		take_answers(t, &pass, queries);
	}
	arena_deinit(&pass.memory);
	return good ? 0 : -ENOMEM;
}

/* Fewer at a time take less memory. */
static int answer_by_passes(struct symtab *t, struct symtab_query *queries, size_t nr)
{
	size_t part = nr;
	int r = 0;

	for (size_t i = 0; i < nr && !r;) {
		r = answer_by_pass(t, &queries[i], MIN(part, nr - i));
		if (!r) {
			i += part;
		} else if (part > PART_MIN) {
			part = MAX(part / 4, (size_t)PART_MIN);
			r = 0;
		}
	}
	return r;
}

static int add_entry(void *userdata, const struct symtab_symbol *symbol, struct place place)
{
	struct symtab *t = userdata;
	int r = mem_grow(t->mem, (void **)&t->entries, &t->size, t->nr, sizeof(*t->entries),
			 SYMBOLS_MAX);

	if (!r)
		t->entries[t->nr++] = (struct entry) {
			.start = symbol->start,
			.end = symbol->size ? end_of(symbol) : symbol->limit,
			.unsized = !symbol->size,
			.rank = symbol->rank,
			.source = (uint16_t)place.source,
			.index = place.index,
		};
	return r;
}

static int compare(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	/* Among equals the preferred one stands last, where the search arrives first. */
	if (x->rank != y->rank)
		return x->rank > y->rank ? -1 : 1;
	if (x->source != y->source)
		return x->source > y->source ? -1 : 1;
	return x->index > y->index ? -1 : 1;
}

/* A symbol without a size reaches no further than to the next one. */
static void finish_entries(struct symtab *t)
{
	uint64_t next = UINT64_MAX, reach = 0;

	for (size_t i = t->nr; i-- > 0;) {
		struct entry *e = &t->entries[i];

		if (e->unsized)
			e->end = MIN(next, e->end);
		if (i && t->entries[i - 1].start != e->start)
			next = e->start;
	}
	for (size_t i = 0; i < t->nr; i++) {
		reach = MAX(reach, t->entries[i].end);
		t->entries[i].reach = reach;
	}
}

/* Without memory for it, or with too many symbols, passes go on being made. */
static void make_table(struct symtab *t)
{
	if (each_symbol(t, add_entry, t) || !t->nr) {
		mem_free(t->mem, t->entries, t->size * sizeof(*t->entries));
		t->entries = NULL;
		t->nr = t->size = 0;
		t->passes = 0; /* to be tried again, when memory may be free */
		return;
	}
	qsort(t->entries, t->nr, sizeof(*t->entries), compare);
	finish_entries(t);
}

static void answer_by_table(const struct symtab *t, struct symtab_query *q)
{
	uint64_t next = UINT64_MAX, near;
	size_t lo = 0, n = t->nr;

	while (n > 0) { /* the first that begins above */
		size_t half = n / 2;
		bool below = t->entries[lo + half].start <= q->vaddr;

		lo = below ? lo + half + 1 : lo;
		n = below ? n - half - 1 : half;
	}
	if (!lo)
		return;
	if (lo < t->nr)
		next = t->entries[lo].start;
	near = t->entries[lo - 1].start;
	/* None further down holds it when nothing reaches this far. */
	while (lo-- > 0 && t->entries[lo].reach > q->vaddr) {
		const struct entry *e = &t->entries[lo];
		struct candidate c = { .start = e->start, .end = e->end };

		if (q->vaddr >= e->end)
			continue;
		c.place = (struct place) { .source = e->source, .index = e->index };
		set_answer(t, &c, near, next, q);
		return;
	}
}

/* A stub is an answer as good as a symbol that begins there. */
static void answer_by_stub(const struct symtab *t, struct symtab_query *q)
{
	uint64_t start, end;
	const char *name = symtab_plt_find(&t->plt, q->vaddr, &start, &end);

	if (!name || (q->name && q->stretch.start >= start))
		return;
	q->name = name;
	q->stub = true;
	stretch_narrow(&q->stretch, start, end);
}

int symtab_answer(struct symtab *t, struct symtab_query *queries, size_t nr)
{
	int r = 0;

	if (!t->entries && t->passes >= PASSES_MAX)
		make_table(t);
	if (!t->entries)
		r = answer_by_passes(t, queries, nr);
	for (size_t i = 0; i < nr && !r; i++) {
		if (t->entries)
			answer_by_table(t, &queries[i]);
		answer_by_stub(t, &queries[i]);
		if (!queries[i].name)
			stretch_narrow(&queries[i].stretch, queries[i].vaddr, queries[i].vaddr + 1);
	}
	return r;
}

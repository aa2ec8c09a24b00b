/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Two layouts of unwind rows that are in use elsewhere, as baselines: the same rows as in our tables, other ways to find
 * them.
 *
 * Both find a mapping by process and address in an LPM trie, and a 64 KB page of its file in a hash, which says where
 * the page's rows begin; then they halve that part of an array, one look-up a step. "rows4": rows of four bytes, in
 * arrays of a few sizes, that point to rules. "rows8": rows of eight bytes with the rule in them, in arrays as long as
 * the file needs. They walk and nothing else, or also write a record; whose mapping it is they never ask.
 */
#ifndef FLEETPROF_BENCH_ROW_LAYOUTS_BPF_H
#define FLEETPROF_BENCH_ROW_LAYOUTS_BPF_H

#define ROWS_DEPTH (BASE_DEPTH + 1)
#define ROWS_STEPS 17 /* halvings of 64 K rows */

/* One walk at a time on each CPU. */
struct rows_walk {
	u64 pc, sp, fp;
	u32 tgid, nr;
};

struct rows_context {
	struct rows_walk *w;
	struct base_stacks *s; /* where the stack goes */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct rows_walk);
} rows_walks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct rows_address);
	__type(value, struct rows_mapping);
} rows_mappings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, struct rows_page_key);
	__type(value, struct rows_page);
} rows_pages SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ROWS_RULES_MAX);
	__type(key, u32);
	__type(value, u64);
} rows_rules SEC(".maps");

struct rows4_small {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << ROWS4_SMALL_BITS);
	__uint(key_size, sizeof(u32));
	__uint(value_size, sizeof(struct row4));
};

struct rows4_medium {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << ROWS4_MEDIUM_BITS);
	__uint(key_size, sizeof(u32));
	__uint(value_size, sizeof(struct row4));
};

struct rows4_large {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << ROWS4_LARGE_BITS);
	__uint(key_size, sizeof(u32));
	__uint(value_size, sizeof(struct row4));
};

struct rows8_of_file {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_INNER_MAP);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(u32));
	__uint(value_size, sizeof(struct row8));
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, ROWS_FILES_MAX);
	__type(key, u64);
	__array(values, struct rows4_small);
} rows4_smalls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, ROWS_FILES_MAX);
	__type(key, u64);
	__array(values, struct rows4_medium);
} rows4_mediums SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, ROWS_FILES_MAX);
	__type(key, u64);
	__array(values, struct rows4_large);
} rows4_larges SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, ROWS_FILES_MAX);
	__type(key, u64);
	__array(values, struct rows8_of_file);
} rows8 SEC(".maps");

static __always_inline void *rows4_of_file(u64 file, u32 bits)
{
	switch (bits) {
	case ROWS4_SMALL_BITS:
		return bpf_map_lookup_elem(&rows4_smalls, &file);
	case ROWS4_MEDIUM_BITS:
		return bpf_map_lookup_elem(&rows4_mediums, &file);
	case ROWS4_LARGE_BITS:
		return bpf_map_lookup_elem(&rows4_larges, &file);
	}
	return NULL;
}

/* The page of the next address, and where in it that is. */
static __always_inline struct rows_page *rows_page_of(struct rows_context *context, u64 *ret_file,
						      u16 *ret_low)
{
	struct rows_walk *w = context->w;
	u64 pc = w->nr ? w->pc - 1 : w->pc;
	struct rows_address address = { .prefix_len = 96,
					.tgid = __builtin_bswap32(w->tgid),
					.addr = __builtin_bswap64(pc) };
	struct rows_mapping *mapping = bpf_map_lookup_elem(&rows_mappings, &address);
	struct rows_page_key key = { .file = 0 };

	context->s->user[w->nr & (ROWS_DEPTH - 1)] = w->pc;
	w->nr++;
	if (!mapping)
		return NULL;
	*ret_file = key.file = mapping->file;
	key.page = (pc - mapping->bias) >> 16;
	*ret_low = (u16)(pc - mapping->bias);
	return bpf_map_lookup_elem(&rows_pages, &key);
}

/* One frame further by a rule of ours; what only few frames need ends the walk. */
static __always_inline long rows_step(struct rows_walk *w, u64 rule)
{
	u32 kind = unwind_rule_kind(rule);
	u64 cfa = kind == UNWIND_FP ? w->fp : w->sp, saved[2];

	if (kind != UNWIND_SP && kind != UNWIND_FP && kind != UNWIND_PLT)
		return 1;
	cfa += (s64)x86_rule_cfa_off(rule);
	if (kind == UNWIND_PLT && (w->pc & 15) >= x86_rule_plt_add(rule))
		cfa += 8;
	if (kind != UNWIND_PLT && x86_rule_fp(rule) == UNWIND_FP_AT_CFA &&
	    x86_rule_fp_off(rule) == -16) {
		if (bpf_probe_read_user(saved, 16, (void *)(cfa - 16)))
			return 1;
		w->fp = saved[0];
	} else {
		if (kind != UNWIND_PLT && x86_rule_fp(rule) == UNWIND_FP_AT_CFA &&
		    bpf_probe_read_user(&w->fp, 8, (void *)(cfa + (s64)x86_rule_fp_off(rule))))
			return 1;
		if (bpf_probe_read_user(&saved[1], 8, (void *)(cfa - 8)))
			return 1;
	}
	w->sp = cfa;
	w->pc = saved[1];
	return !w->pc;
}

static long rows4_frame(u32 index, struct rows_context *context)
{
	struct rows_walk *w = context->w;
	struct rows_page *page;
	struct row4 *row;
	u32 low, high, middle, number;
	u64 file, *rule;
	void *rows;
	u16 at;

	page = rows_page_of(context, &file, &at);
	rows = page ? rows4_of_file(file, page->bits) : NULL;
	if (!rows)
		return 1;
	low = page->first;
	high = low + page->nr;
	for (u32 i = 0; i < ROWS_STEPS && low < high; i++) {
		middle = (low + high) >> 1;
		row = bpf_map_lookup_elem(rows, &middle);
		if (!row)
			return 1;
		if (at >= row->low)
			low = middle + 1;
		else
			high = middle;
	}
	middle = high - 1;
	row = bpf_map_lookup_elem(rows, &middle);
	if (!row)
		return 1;
	number = row->rule;
	rule = bpf_map_lookup_elem(&rows_rules, &number);
	return rule ? rows_step(w, *rule) : 1;
}

static long rows8_frame(u32 index, struct rows_context *context)
{
	struct rows_walk *w = context->w;
	struct rows_page *page;
	struct row8 *row;
	u32 low, high, middle;
	void *rows;
	u64 file;
	u16 at;

	page = rows_page_of(context, &file, &at);
	rows = page ? bpf_map_lookup_elem(&rows8, &file) : NULL;
	if (!rows)
		return 1;
	low = page->first;
	high = low + page->nr;
	for (u32 i = 0; i < ROWS_STEPS && low < high; i++) {
		middle = (low + high) >> 1;
		row = bpf_map_lookup_elem(rows, &middle);
		if (!row)
			return 1;
		if (at >= row->low)
			low = middle + 1;
		else
			high = middle;
	}
	middle = high - 1;
	row = bpf_map_lookup_elem(rows, &middle);
	return row ? rows_step(w, row->rule) : 1;
}

/* The registers of user mode; false: nothing to walk. */
static __always_inline bool rows_begin(struct bpf_perf_event_data *ctx, struct rows_context *c)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs regs;
	struct rows_walk *w;
	u32 zero = 0;

	c->s = base_of_cpu();
	c->w = w = bpf_map_lookup_elem(&rows_walks, &zero);
	if (!w || !c->s)
		return false;
	w->nr = 0;
	w->tgid = bpf_get_current_pid_tgid() >> 32;
	w->pc = ctx->regs.ip;
	w->sp = ctx->regs.sp;
	w->fp = ctx->regs.bp;
	asm volatile("" ::: "memory"); /* or they are loaded through a moved pointer: refused */
	if (!(w->pc >> 63))
		return true;
	bpf_get_stack(ctx, c->s->kernel, BASE_DEPTH * 8, 0);
	if (bpf_probe_read_kernel(&regs, sizeof(regs), (void *)bpf_task_pt_regs(task)))
		return false;
	w->pc = regs.ip;
	w->sp = regs.sp;
	w->fp = regs.bp;
	return true;
}

/* Each returns the number of frames. */
static __always_inline u64 rows4_walk(struct bpf_perf_event_data *ctx)
{
	struct rows_context c = { .w = NULL };

	if (!rows_begin(ctx, &c))
		return 0;
	bpf_loop(ROWS_DEPTH, rows4_frame, &c, 0);
	return c.w->nr;
}

static __always_inline u64 rows8_walk(struct bpf_perf_event_data *ctx)
{
	struct rows_context c = { .w = NULL };

	if (!rows_begin(ctx, &c))
		return 0;
	bpf_loop(ROWS_DEPTH, rows8_frame, &c, 0);
	return c.w->nr;
}

/* Hands over the stack that was just walked, of nr frames. Returns nr. */
static __always_inline u64 rows_record(struct bpf_perf_event_data *ctx, u64 nr)
{
	struct base_stacks *s = base_of_cpu();

	if (s && nr)
		base_emit(ctx, s, nr);
	return nr;
}

#endif

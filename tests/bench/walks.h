/* What bench_walks measures, shared by its programs and its driver. */
#ifndef FLEETPROF_BENCH_WALKS_H
#define FLEETPROF_BENCH_WALKS_H

#define WALKS_CGROUPS 4
#define WALKS_BIN_NS 32
#define WALKS_BINS 8192 /* up to 262 us; the last one has the rest */

enum walk_program {
	WALK_EMPTY = 0,
	WALK_GET_STACK,
	WALK_RECORD,
	WALK_ROWS4, /* row_layouts.bpf.h; unwind_rule_x86.h's rules only */
	WALK_ROWS8,
	WALK_ROWS4_RECORD, /* … and a ring record, as WALK_RECORD writes */
	WALK_ROWS8_RECORD,
	WALK_SAMPLE,
	WALK_NR
};

/* One program in one cgroup. */
struct walk_times {
	__u64 runs, ns, max_ns;
	__u64 frames; /* of user stacks, marks included */
	__u64 misses; /* of them, rules that were searched in a table */
	__u32 bins[WALKS_BINS]; /* runs by their ns */
};

/* The maps of row_layouts.bpf.h. */
#define ROWS_FILES_MAX 256
#define ROWS_RULES_MAX 65536
#define ROWS4_SMALL_BITS 12 /* rows of a file, as a power of two */
#define ROWS4_MEDIUM_BITS 16
#define ROWS4_LARGE_BITS 22

struct rows_address {
	__u32 prefix_len;
	__u32 tgid; /* both in network order */
	__u64 addr;
};

struct rows_mapping {
	__u64 file;
	__u64 bias; /* address - offset in the file */
};

struct rows_page_key {
	__u64 file, page; /* 64 KB of the file */
};

struct rows_page {
	__u32 first;
	__u16 nr;
	__u16 bits; /* which of the arrays of rows4 */
};

struct row4 {
	__u16 low; /* half of the offset */
	__u16 rule; /* its number in rows_rules */
};

struct row8 {
	__u16 low;
	__u16 pad;
	__u32 rule; /* packed, of one word */
};

#endif

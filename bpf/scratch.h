/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The per-CPU scratch in which one sample is put together, and the tables that the programs read.
 *
 * The programs insert nothing: they look up, add to counters and write the ring. Every table is written by user
 * space alone, so no program takes a bucket lock and no sampled process can fill a table.
 */
#ifndef FLEETPROF_SCRATCH_H
#define FLEETPROF_SCRATCH_H

#define MEMO_SIZE 8 /* mappings that are remembered of an address space; a power of two */
#define SPACE_STACKS 4 /* a power of two */
#define SPACE_BITS 4
#define ABSENT_BITS 4
#define RECENT_BITS 4
#define USER_REGS 32 /* of arm64; a power of two */
#define STACK_WINDOW_BYTES 2048 /* one read of so much is cheaper than two of a few bytes */
#define STACK_WINDOW_WORDS (STACK_WINDOW_BYTES / 8)
#define MAPLE_NODE_WORDS 32 /* a maple node is 256 bytes, and aligned to that */
#define BLOCK_WORDS                                                                                \
	16 /* the first 128 bytes of a VMA, an inode or a superblock have what is asked of them */

/* A remembered VMA: by which it is seen later whether it is as it was. */
struct seen {
	u64 vma; /* its address; 0: nothing tells */
	u32 vma_sequence; /* struct vma's */
	u32 sequence; /* struct space_state's, when it was last known to stand */
};

/* One executable mapping: the frame word of its first byte, others follow by adding the distance; and its file's slot. */
struct memo {
	u64 start, len;
	u64 word;
	struct seen seen;
	u32 slot; /* UNWIND_SLOT_NONE, or SLOT_OF_ANON */
	u32 pad;
};

struct stack {
	u64 start, end;
	struct seen seen;
};

/* What tells one state of an address space, and of what is known of files, from all others. */
struct space_state {
	u64 id; /* 0: nothing does */
	u32 sequence;
	u32 generation; /* of `files` */
};

/* An address space, as far as this CPU found it; private to bpf/space.h. */
struct space {
	struct space_state state; /* of the first sample, before anything was looked up */
	u64 since_ns; /* CLOCK_BOOTTIME */
	u32 next_memo, next_stack;
	bool is_of_record; /* something in it speaks of one record */
	struct stack stacks[SPACE_STACKS]; /* mappings that a stack pointer was in */
	struct memo memo[MEMO_SIZE];
};

/* A mapping as the VMA tree has it, checked. */
struct vma {
	u64 start, end;
	u64 flags, pgoff;
	u64 file, mm;
	u64 entry; /* the VMA itself */
	u32 sequence; /* the address space's of its last change, of which it may be in the middle */
};

struct walk {
	u64 pc, sp, fp;
	u64 regs[USER_REGS]; /* by DWARF number; known while `exact` only */
	u64 stack_start, stack_end; /* of the mapping that holds the stack pointer */
	u64 absent; /* struct absent_page's; 0: none is known */
	u64 window_start; /* user address of window[0]; window_len 0: nothing read yet */
	u64 uprobe_return; /* struct return_instance of the next trampoline; 0: the newest */
	u32 window_len;
	u32 rule_misses, by_prologue;
	u32 switches; /* to another stack */
	u32 nr_marks;
	bool exact; /* pc is where the thread was, not behind a call: the leaf, and above a signal frame */
	u16 end; /* enum end_reason */
	u16 bridge; /* why the step to this frame went by frame pointer though a table should say; 0: it did not */
	u64 mark; /* that this frame gets before it; 0: none */
	u64 marked; /* the one that was told last */
};

/* The frame in hand: its word, its file's table, and what that says. */
struct frame {
	u64 word, table, rule;
};

/* A frame of generated code, while its caller is looked for (bpf/prologue_x86.h). */
struct generated {
	u64 pc; /* of the call, or of the leaf */
	u64 last; /* the last place that may be its function's beginning */
	u64 block; /* of code, that the window holds */
	u64 begin,
		code; /* where sp is lowered or the frame pointer set, 0: not found; and the eight bytes there */
	u64 at; /* in node: so far is read */
	u64 pushes,
		fp_push; /* seen, and which is the frame pointer's: counted from the first that was seen, from 1 */
	u64 pops, fp_pop;
	u32 edge; /* enum prologue_edge */
	bool sets_fp, exact;
};

/* A page above a stack that was not there. A hint: it may be there by now. */
struct absent_page {
	u64 mm, addr;
};

/* The last run on this CPU, and the last one that found it idle; private to bpf/asleep.h. */
struct asleep {
	u64 attached; /* of which set of events; another: what follows says nothing */
	u64 switches; /* away from the idle task; 0: not known */
	u64 until_ns; /* ticks until then are accounted for */
	u64 last_ns; /* the last run, whatever it found */
	bool is_stopped; /* by the kernel: no tick is due */
};

/* Identity of a file revision → what is known of it. */
struct file_key {
	u64 ino, ctime_ns;
	u32 dev, gen;
};
struct file_value {
	u32 id;
	u32 slot; /* of its table */
};

/*
 * What this CPU last found in `files` and `cgroups`: a hash table that is not in the CPU's caches costs five misses, and
 * this one. Right as long as the generation is the one in which it was looked up. All zero is nobody's key.
 */
struct recent_file {
	struct file_key key;
	struct file_value value;
	u32 generation, pad;
};
struct recent_cgroup {
	u64 key;
	u32 generation;
	u8 state;
};

struct scratch {
	/* What most samples touch, in few pages; what is before recent_cgroups is read ahead. */
	struct asleep asleep;
	u32 busy;
	u32 nr_words; /* of the part that is being written */
	u64 last_wake_ns;
	u64 mm;
	struct walk walk;
	struct frame frame;
	struct space_state space_state;
	u32 space_at; /* the address space in hand */
	u32 memo_hit; /* the mapping that was found last */
	u32 tables_read; /* which mappings' tables this sample has read */
	u32 barrier;
	u64 memo_tables[MEMO_SIZE]; /* as in struct unwind_slot */
	struct stack stack; /* of find_stack() */
	struct stack asked; /* of space_ask() */
	u64 block[BLOCK_WORDS];
	struct recent_cgroup recent_cgroups[1 << RECENT_BITS];
	struct absent_page absent[1 << ABSENT_BITS]; /* by address space */
	u64 window[STACK_WINDOW_WORDS];
	/* As they go into the ring, if nothing has to go between them. */
	struct record_sample head;
	u64 words
		[1024]; /* a power of two above RECORD_MAX_WORDS, so that a mask bounds the index */

	struct space spaces[1 << SPACE_BITS]; /* by their ids */
	struct pt_regs
		regs; /* of user mode; the BPF stack has 512 bytes for all calls, and is full */
	struct generated generated;
	u64 call_target;
	struct vma vma;
	struct vma within; /* the mapping that is asked about, while others are looked at */
	struct file_key asked_key; /* of find_file(), and its answer */
	struct file_value asked_value;
	struct recent_file recent_files[1 << RECENT_BITS];
	u64 node[MAPLE_NODE_WORDS];
	struct rec_map maps[RECORD_MAX_MAPS];
	struct {
		struct record_ext head;
		char text[2 * RECORD_CGROUP_BYTES]; /* half of it is room behind the last copy */
	} cgroup;
};
#define WORDS_MASK 1023
_Static_assert(__builtin_offsetof(struct scratch, words) ==
		       __builtin_offsetof(struct scratch, head) + sizeof(struct record_sample),
	       "the words follow the head");
_Static_assert(RECORD_MAX_WORDS <= WORDS_MASK, "the mask covers every word");

struct counters {
	u64 counter[COUNTER_NR];
};

/* Read by user space, written here; one array element per CPU, never reset. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct counters);
} counters SEC(".maps");

/* Private to the programs; one per CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct scratch);
} scratch SEC(".maps");

/* Records to user space. Full: the sample is lost and counted (COUNTER_LOST_RING_FULL). */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22); /* set before loading */
} ring SEC(".maps");

/* Full: the rest stays unnumbered, and user space counts it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* set before loading */
	__type(key, struct file_key);
	__type(value, struct file_value);
} files SEC(".maps");

/* Cgroups whose path user space knows → enum cgroup_state. Full: records go on carrying the path. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* set before loading */
	__type(key, u64);
	__type(value, u8);
} cgroups SEC(".maps");

/* Thread groups or cgroups to be sampled, by filter_kind. Bounded by SAMPLER_FILTER_MAX. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, u64);
	__type(value, u8);
} filter SEC(".maps");

#define CACHE_LINE_BYTES 64

/* Into the CPU's caches, one byte of each line. No load waits for another, so that the misses overlap. */
static __always_inline void read_ahead(const void *at, u32 bytes)
{
	for (u32 i = 0; i < bytes; i += CACHE_LINE_BYTES)
		(void)*((volatile u8 *)at + i);
}

static __always_inline struct scratch *scratch_of_cpu(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&scratch, &zero);
}

static __always_inline void count(struct counters *c, u32 which)
{
	c->counter[which]++;
}

#endif

/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * The record format: what the BPF programs write and the core reads.
 *
 * This header is the ABI of everything behind it. It is compiled three times: into the BPF
 * programs, into the core, and into the tests, so it uses only fixed-width kernel types and
 * includes nothing: the includer supplies __u8 … __u64 (<linux/types.h> or bpf/vmlinux.h).
 *
 * All integers are in host order; a record never leaves the host.
 * An event type, a frame kind or an end reason is never reused for another meaning.
 */
#ifndef FLEETPROF_RECORD_H
#define FLEETPROF_RECORD_H

/*
 * Frame words, leaf first. The kind is in the top four bits; 0 is never a frame, so that a zeroed
 * buffer cannot be mistaken for a stack. FILE and RECMAP offsets are byte offsets into the file
 * and already the address to look up: pc - 1 for a return address, pc for the leaf and for a frame
 * above a signal frame.
 */
enum frame_kind {
	FRAME_NEVER = 0,
	FRAME_FILE = 1, /* 59..32 file id, 31..0 byte offset */
	FRAME_RECMAP = 2, /* 59..52 rec_map index in this record, 51..0 byte offset */
	FRAME_ANON = 3, /* 59..0 user address: JIT, anonymous or kernel-internal shmem */
	FRAME_KERNEL = 4, /* 59..0 low 60 bits of the address, to be sign-extended */
	FRAME_SPECIAL = 5, /* 59..56 enum frame_special, 31..0 offset */
	FRAME_INTERP = 8, /* 59..56 runtime, 55..52 frame kind, 51..0 code object; one more word */
	FRAME_LABEL = 9, /* 59..0 interned string id, for synthetic roots */
	FRAME_MARK = 15, /* 59..56 enum frame_mark, 15..0 reason */
};

enum frame_special {
	FRAME_SPECIAL_VDSO = 1,
	FRAME_SPECIAL_VSYSCALL = 2,
	FRAME_SPECIAL_UPROBES = 3,
	FRAME_SPECIAL_SIGPAGE = 4,
};

enum frame_mark {
	FRAME_MARK_END = 1, /* the walk ended here, reason says why; absent at the root */
	FRAME_MARK_GAP_BY_FP = 2, /* one frame-pointer step over a gap found the next frame */
	FRAME_MARK_CUT = 3, /* the stack was deeper than the limit */
	FRAME_MARK_ASYNC = 4,
	FRAME_MARK_BY_PROLOGUE = 5, /* the next frame was found by reading generated code */
};

#define FRAME_KIND_SHIFT 60
#define FRAME_KIND(word) ((__u32)((word) >> FRAME_KIND_SHIFT))
#define FRAME_PAYLOAD_MASK ((1ULL << FRAME_KIND_SHIFT) - 1)
#define FRAME_FILE_ID_BITS 28
#define FRAME_FILE_ID_MAX ((1U << FRAME_FILE_ID_BITS) - 1)
#define FRAME_FILE_ID(word) ((__u32)((word) >> 32) & FRAME_FILE_ID_MAX)
#define FRAME_FILE_OFFSET(word) ((__u32)(word))
#define FRAME_RECMAP_INDEX(word) ((__u32)((word) >> 52) & 0xff)
#define FRAME_RECMAP_OFFSET_MASK ((1ULL << 52) - 1)
#define FRAME_MAKE_FILE(id, offset)                                                                \
	(((__u64)FRAME_FILE << FRAME_KIND_SHIFT) | ((__u64)(id) << 32) | (__u32)(offset))
#define FRAME_MAKE_RECMAP(index, offset)                                                           \
	(((__u64)FRAME_RECMAP << FRAME_KIND_SHIFT) | ((__u64)(index) << 52) |                      \
	 ((offset)&FRAME_RECMAP_OFFSET_MASK))
#define FRAME_MAKE_ANON(address)                                                                   \
	(((__u64)FRAME_ANON << FRAME_KIND_SHIFT) | ((address)&FRAME_PAYLOAD_MASK))
#define FRAME_MAKE_KERNEL(address)                                                                 \
	(((__u64)FRAME_KERNEL << FRAME_KIND_SHIFT) | ((address)&FRAME_PAYLOAD_MASK))
#define FRAME_MAKE_SPECIAL(which, offset)                                                          \
	(((__u64)FRAME_SPECIAL << FRAME_KIND_SHIFT) | ((__u64)(which) << 56) | (__u32)(offset))
#define FRAME_MAKE_MARK(mark, reason)                                                              \
	(((__u64)FRAME_MARK << FRAME_KIND_SHIFT) | ((__u64)(mark) << 56) | (__u16)(reason))
#define FRAME_SPECIAL_WHICH(word) ((__u32)((word) >> 56) & 0xf)
#define FRAME_MARK_CLASS(word) ((__u32)((word) >> 56) & 0xf)
#define FRAME_MARK_REASON(word) ((__u16)(word))

/* Why the user part of a stack ended. ROOT is the only complete one. */
enum end_reason {
	END_NONE = 0, /* no user part at all: a kernel thread */
	END_ROOT = 1, /* frame pointer zero, undefined return address: the thread's first frame */
	END_DEPTH = 2, /* RECORD_MAX_FRAMES reached */
	END_READ_FAULT = 3, /* the stack page is not present or not readable */
	END_NO_MAP = 4, /* the address lies in no executable mapping */
	END_NO_MAP_RACE = 5, /* the mapping changed under the look-up, twice */
	END_NO_TABLE = 6, /* the unwind table has nothing there, and no frame pointer to go by */
	END_UNSUPPORTED = 7, /* the table says: cannot be expressed */
	END_BAD_CFA = 8, /* the canonical frame address did not grow, or left the stack */
	END_UNSUPPORTED_ABI = 9, /* a 32-bit task */
	END_MAPS_FULL = 10, /* more different mappings than a record can describe */
	END_BAD_FP = 11, /* the frame pointer is unaligned or points outside the stack */
	END_USER_WORKER = 12, /* io_uring or vhost worker: the user registers are its creator's */
	END_EXITING = 13, /* no user part: the process has given its address space back */
	END_TABLE_PENDING = 14, /* the file's unwind table is not built yet, or was evicted */
	END_EXECUTING = 15, /* no user part: between two programs, in execve */
	END_GENERATED = 16, /* code without a file, and no frame pointer to go by */
	END_NR
};

/*
 * Every way in which a run of the program does not become a record, shared by both sides; the
 * counters are per CPU. runs = idle + filtered + unsupported + sampled + Σ lost(reason).
 */
enum sample_counter {
	COUNTER_RUNS = 0,
	COUNTER_IDLE,
	COUNTER_FILTERED,
	COUNTER_UNSUPPORTED,
	COUNTER_SAMPLED, /* = records + Σ Δhot */
	COUNTER_RECORDS,
	COUNTER_HOT,
	COUNTER_LOST_RING_FULL,
	COUNTER_LOST_NESTED, /* the per-CPU scratch was busy: an event inside an event */
	COUNTER_LOST_SCRATCH, /* a per-CPU map look-up failed; cannot happen */
	/* not losses of samples, but of detail */
	COUNTER_MAP_RACE,
	COUNTER_MAP_RETRY,
	COUNTER_CGROUP_PATH_CUT,
	COUNTER_FRAMES, /* words of user stacks, marks included */
	COUNTER_RULE_MISSES, /* of them, not in the rule cache: searched in a table */
	COUNTER_BY_PROLOGUE, /* of them, found by reading generated code */
	COUNTER_SPACES_RECALLED, /* samples of whose address space an earlier one had left something */
	COUNTER_SELF_TIMED_RUNS, /* one run in 16 times itself */
	COUNTER_SELF_TIMED_NS,
	COUNTER_SELF_TIMED_MAX_NS,
	COUNTER_ASLEEP, /* ticks that did not come while the CPU slept (bpf/asleep.h); no part of the runs */
	COUNTER_LATE, /* … because the timer was late on a CPU that did not, or may not have slept */
	COUNTER_STOPPED, /* times that the kernel stopped the event of a CPU that slept */
	COUNTER_NR
};
#define COUNTER_LOST_FIRST COUNTER_LOST_RING_FULL
#define COUNTER_LOST_LAST COUNTER_LOST_SCRATCH
#define ASLEEP_CPU_WORDS 128 /* 8,192 CPUs; a power of two */

enum record_type {
	RECORD_SAMPLE = 1,
	RECORD_SELFTEST = 2, /* answer of the load-time self-test, see bpf/sampler.bpf.c */
};
#define RECORD_VERSION 2

enum profile_type {
	PROFILE_CPU = 1, /* value: nanoseconds of CPU time, one period */
};

enum record_flags {
	RECORD_NEW_MAPS = 1 << 0, /* carries a mapping that user space has not numbered */
	RECORD_NEW_CGROUP = 1 << 1, /* carries an EXT_CGROUP_PATH */
	RECORD_KTHREAD = 1 << 2,
	RECORD_IN_KERNEL = 1 << 3, /* the interrupt hit kernel mode */
	RECORD_KERNEL_CUT = 1 << 4, /* the kernel part was deeper than RECORD_MAX_KERNEL_FRAMES */
};

#define RECORD_COMM_LEN 16
#define RECORD_MAX_FRAMES 512 /* user frames; a deeper stack is cut and says so */
#define RECORD_MAX_KERNEL_FRAMES 127 /* kernel.perf_event_max_stack's default */
#define RECORD_MAX_MAPS 32 /* mappings that one record can describe */
#define RECORD_MAX_WORDS (RECORD_MAX_FRAMES + RECORD_MAX_KERNEL_FRAMES + 8) /* and marks */

struct record {
	__u16 size; /* bytes of the whole record, this header included; a multiple of 8 */
	__u8 type; /* enum record_type */
	__u8 version; /* RECORD_VERSION */
	__u16 flags; /* enum record_flags */
	__u16 cpu;
	__u64 time_boot_ns; /* CLOCK_BOOTTIME */
};
_Static_assert(sizeof(struct record) == 16, "record is 16 bytes");

/*
 * Followed by nr_ext × struct record_ext (each with its payload, padded to 8 bytes), nr_maps ×
 * struct rec_map, then nr_words_kernel kernel words and nr_words_user user words, leaf first.
 */
struct record_sample {
	struct record record;
	__u64 hash; /* over the live prefix of the words, seeded per boot */
	__u64 value; /* profile_type's unit */
	__u64 cgroup; /* hierarchy id in the top 8 bits (0 = v2), cgroup id below */
	__u64 start_boot_ns; /* start of the thread group's leader, CLOCK_BOOTTIME */
	__u32 tgid;
	__u32 tid;
	__u32 epoch; /* row of (rate, filter, weight) */
	__u16 profile_type; /* enum profile_type */
	__u16 end_reason; /* enum end_reason */
	__u16 nr_words_kernel;
	__u16 nr_words_user;
	__u8 nr_maps;
	__u8 nr_ext;
	__u16 pad;
	__u32 root_mount; /* the process's root folder: id of its mount, as statx(2) has it; */
	__u32 pad2;
	__u64 root_ino; /* … and inode number; 0: it has none any more */
	char comm[RECORD_COMM_LEN]; /* of the thread */
	char leader_comm[RECORD_COMM_LEN]; /* of the thread group's leader */
};
_Static_assert(sizeof(struct record_sample) == 120, "record_sample is 120 bytes");

enum record_ext_type {
	/*
	 * The cgroup's path from kernfs: NUL-terminated components, leaf first, root left out.
	 * Present while user space has not entered the cgroup into `cgroups`.
	 */
	EXT_CGROUP_PATH = 1,
};

struct record_ext {
	__u16 size; /* header and payload, a multiple of 8 */
	__u16 type; /* enum record_ext_type */
	__u32 len; /* payload bytes in use */
};
_Static_assert(sizeof(struct record_ext) == 8, "record_ext is 8 bytes");

/* Values of `cgroups`: what user space has decided of a cgroup whose path it knows. */
enum cgroup_state {
	CGROUP_STATE_SAMPLED = 1,
	CGROUP_STATE_LEFT_OUT = 2, /* its samples are filtered */
};

#define RECORD_CGROUP_LEVELS 12
#define RECORD_CGROUP_NAME 128 /* cri-containerd-<64 hex>.scope has 86 */
#define RECORD_CGROUP_BYTES 1024

enum rec_map_flags {
	REC_MAP_KNOWN = 1 << 0, /* (reserved for the core) */
	REC_MAP_DELETED = 1 << 1, /* i_nlink was 0 */
	/* Anonymous memory between a file's mappings: its text, moved to huge pages. The range is that of the mapping below. */
	REC_MAP_HUGE_TEXT = 1 << 2,
};

/* One executable mapping of a file, and the identity of the file's revision below overlayfs. */
struct rec_map {
	__u64 start, end; /* user addresses, end exclusive */
	__u64 pgoff_bytes; /* file offset of start */
	__u64 ino;
	__u64 ctime_ns; /* nanoseconds since the epoch, bit 31 of the nsec part masked off */
	__u64 size; /* i_size when seen */
	__u32 dev; /* i_sb->s_dev, the kernel's encoding: major << 20 | minor */
	__u32 gen; /* i_generation */
	__u32 s_magic; /* i_sb->s_magic */
	__u32 flags; /* enum rec_map_flags */
	char name[32]; /* the last component of the dentry's name, NUL-terminated, maybe cut */
};
_Static_assert(sizeof(struct rec_map) == 96, "rec_map is 96 bytes");

#endif

/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * The unwind table of one file: what the symbolizer builds, the core places into slabs, and the programs search.
 *
 * A row says, from its place in the file to the next row's, how a frame there finds its caller. Rows are cut into groups
 * of 64 KB of the file, by byte offset, since that is what a frame word carries: segments whose addresses and offsets
 * differ need no thought here. Most rows of a group share a few rules, so a group has a dictionary of its own, and a row
 * is two bytes: the low byte of its offset and the number of its rule; an index says which rows belong to which 256
 * bytes. (One dictionary per file would fill up with the rare rules of its large functions, and then fail for those of
 * its roots.) A group with few rows is a sorted list instead.
 *
 * A group is position-independent and at most UNWIND_GROUP_BYTES_MAX long, so that it can be moved into a slab as it is.
 * The image, in which a table travels:
 *
 *   struct unwind_header
 *   groups, each aligned to 4
 *   directory: u32 per group from first_group on, the group's byte offset in the image / 4; 0: no rows
 *
 * In the slabs the directory holds places (unwind_place()) in the same u32s. No rows means the same as the rule
 * UNWIND_GAP: nothing is known there.
 *
 * Compiled into the programs, the core, the symbolizer and the tests; like record.h it includes nothing, and the includer
 * supplies __u8 … __u64. All integers are in host order. What is masked here is masked for the verifier and against hostile
 * images alike: a search in a slab reads nothing but the slab, whatever it holds.
 */
#ifndef FLEETPROF_UNWIND_TABLE_H
#define FLEETPROF_UNWIND_TABLE_H

#define UNWIND_MAGIC 0x54555046u /* "FPUT" */
#define UNWIND_VERSION 2

#define UNWIND_GROUP_SHIFT 16 /* 64 KB of the file */
#define UNWIND_GROUPS_MAX 32768 /* 2 GB: the reach of a call; a directory is half a slab */
#define UNWIND_INDEX_ENTRIES                                                                       \
	257 /* per 256 bytes: its first row; the last one is the number of rows */
#define UNWIND_SLOTS_MAX 255 /* words of a dictionary */
#define UNWIND_ROWS_MAX 28672 /* of a group; dense code has 4,000 to 8,000 */
#define UNWIND_SPARSE_ROWS_MAX                                                                     \
	512 /* from here on three bytes a row are more than two and an index */
#define UNWIND_SEARCH_STEPS                                                                        \
	10 /* halvings of at most 512 rows of a list, or 257 of an index entry */
#define UNWIND_GROUP_BYTES_MAX 65536
#define UNWIND_IMAGE_BYTES_MAX                                                                     \
	(20u << 20) /* a sixth of the default memory limit: what one owner may have */

/* Large enough that the last group's waste is small (groups have 8 KB in the mean), and a place is 16 + 16 bits. */
#define UNWIND_SLAB_BYTES (256u << 10)

/* What following code may come up against: rows are missing then that the code would give. */
enum unwind_bound {
	UNWIND_BOUND_SPAN = 0, /* of addresses: nothing was followed */
	UNWIND_BOUND_CODE =
		1, /* too much of it to be searched for calls: only the symbols' functions are known */
	UNWIND_BOUND_DATA = 2, /* too much of it to be searched for addresses of functions */
	UNWIND_BOUND_STEPS = 3, /* a part of the code took more of them */
	UNWIND_BOUND_ROUNDS = 4, /* of looking for calls that do not return */
	UNWIND_BOUND_MEMORY = 5, /* there was none */
	UNWIND_BOUND_NR
};

struct unwind_header {
	__u32 magic;
	__u16 version;
	__u16 machine; /* EM_X86_64 or EM_AARCH64: whose rules */
	__u32 size; /* bytes of the image */
	__u32 directory; /* its byte offset */
	__u32 first_group, nr_groups; /* byte offset in the file >> UNWIND_GROUP_SHIFT */
	/* Counted while building, to be shown; nothing depends on them. */
	__u32 nr_rows;
	__u32 nr_slots;
	__u32 nr_fdes;
	__u32 bad_fdes; /* refused: broken, or beyond a bound */
	__u32 outside_fdes; /* in no executable segment of the file */
	__u32 unsupported_rows; /* whose caller no rule can express */
	__u32 lost_rows; /* became UNWIND_UNSUPPORTED because their group was full */
	__u32 lost_groups; /* left out because the image was full */
	__u32 source; /* enum unwind_source */
	__u32 derived_rows; /* by following the code, where the file says nothing */
	__u32 code_bounds[UNWIND_BOUND_NR]; /* how often each was reached */
};
_Static_assert(sizeof(struct unwind_header) == 88, "unwind_header is 88 bytes");

enum unwind_source {
	UNWIND_SOURCE_NONE = 0, /* the file has no call frame information: a table without groups */
	UNWIND_SOURCE_EH_FRAME_HDR = 1,
	UNWIND_SOURCE_EH_FRAME = 2, /* without a usable search table */
	UNWIND_SOURCE_DEBUG_FRAME = 3,
	UNWIND_SOURCE_GOPCLNTAB = 4,
	UNWIND_SOURCE_CODE = 5, /* nothing but derived rows */
	UNWIND_SOURCE_NR
};

enum unwind_form {
	UNWIND_DENSE =
		0, /* rules, u16 index[UNWIND_INDEX_ENTRIES], u16 rows[] = low byte of offset << 8 | rule */
	UNWIND_SPARSE = 1, /* rules, u16 low half of offset[], u8 rule[] */
};

/* The first row of a group has offset 0. A rule's number is the index of its first word in the dictionary. */
struct unwind_group {
	__u16 nr_rows;
	__u8 nr_slots;
	__u8 form;
	/* u32 rules[nr_slots], … */
};
_Static_assert(sizeof(struct unwind_group) == 4, "the rules are aligned");
_Static_assert(sizeof(struct unwind_group) + 4 * UNWIND_SLOTS_MAX + 2 * UNWIND_INDEX_ENTRIES +
			       2 * UNWIND_ROWS_MAX + 2 <=
		       UNWIND_GROUP_BYTES_MAX,
	       "the fullest group");
_Static_assert(4 * UNWIND_GROUPS_MAX <= UNWIND_SLAB_BYTES / 2, "a directory fits a slab");

/*
 * A rule, taken apart. Its packed form is one word, or two, of which the first then has UNWIND_RULE_WIDE
 * (unwind_rule_x86.h, unwind_rule_arm64.h). The word 0 is UNWIND_GAP.
 */
enum unwind_kind {
	UNWIND_GAP = 0, /* no function is known here: perhaps one step by the frame pointer */
	UNWIND_ROOT = 1, /* the thread's first frame: its return address is undefined */
	UNWIND_UNSUPPORTED = 2, /* the file says how, but no rule can */
	UNWIND_SIGNAL =
		3, /* the kernel's signal trampoline: all registers are in the frame at sp */
	/* The CFA is … */
	UNWIND_SP = 4, /* sp + cfa_off */
	UNWIND_FP = 5, /* fp + cfa_off */
	UNWIND_REG = 6, /* reg + cfa_off; reg is known in a leaf and above a signal frame only */
	UNWIND_DEREF_SP = 7, /* *(sp + cfa_off) + add */
	UNWIND_DEREF_FP = 8,
	UNWIND_DEREF_REG = 9,
	UNWIND_PLT = 10, /* sp + cfa_off + ((pc & 15) >= add ? 8 : 0) */
	/* 11 to 13 are packed forms of x86-64 */
	UNWIND_DEREF_INDEXED = 14, /* *(sp + 8 * reg + cfa_off) + add: OpenSSL's multiplications */
	/* fp + cfa_off, on whatever stack that lies; fp 0: the first frame. Functions that change stacks, as Go's do. */
	UNWIND_SWITCH = 15,
#define UNWIND_SWITCH_SAVED                                                                        \
	1 /* reg: by what Go keeps of the goroutine: of the thread's at fs:fp_off, at m + cfa_off */
	UNWIND_KIND_NR
};

/* The caller's frame pointer is … */
enum unwind_fp {
	UNWIND_FP_SAME = 0, /* what it is here */
	UNWIND_FP_AT_CFA = 1, /* at CFA + fp_off */
	UNWIND_FP_AT_FP = 2, /* at fp + fp_off: a realigned stack */
	UNWIND_FP_LOST = 3,
};

/* The return address is … */
enum unwind_ra {
	UNWIND_RA_AT_CFA = 0, /* at CFA + ra_off */
	UNWIND_RA_IN_REG =
		1, /* in ra_reg: known as UNWIND_REG's is; on arm64 mostly the link register of a leaf */
};

struct unwind_rule {
	__u8 kind; /* enum unwind_kind; up to UNWIND_SIGNAL all else is 0 */
	__u8 fp; /* enum unwind_fp */
	__u8 ra; /* enum unwind_ra */
	__u8 reg; /* DWARF number */
	__u8 ra_reg; /* DWARF number */
	__u8 exact; /* a signal frame of another kind: the caller's pc is where it is, not behind a call */
	__u8 ra_signed; /* arm64: the return address carries an authentication code */
	__u8 pad;
	__s32 cfa_off, add;
	__s32 fp_off, ra_off;
};

#define UNWIND_RULE_WIDE 0x80u /* of the first word: another one follows */
#define UNWIND_RULE_WORDS 2

static __always_inline __u32 unwind_rule_kind(__u64 rule)
{
	return rule & 15;
}

/* The signed number in bits first … first + bits - 1. */
static __always_inline __s32 unwind_signed_bits(__u64 rule, __u32 first, __u32 bits)
{
	return (__s32)((__s64)(rule << (64 - first - bits)) >> (64 - bits));
}

static __always_inline int unwind_fits(__s32 value, __u32 bits)
{
	return value >= -(1 << (bits - 1)) && value < 1 << (bits - 1);
}

/* … as a multiple of 1 << shift. */
static __always_inline int unwind_fits_scaled(__s32 value, __u32 bits, __u32 shift)
{
	return !(value & ((1 << shift) - 1)) && unwind_fits(value >> shift, bits);
}

static __always_inline __u32 unwind_bits(__s32 value, __u32 first, __u32 bits)
{
	return ((__u32)value & ((1u << bits) - 1)) << first;
}

/* Where a group lies: in the slab with this number, at this offset. 0 is no place, so slab 0 begins with 4 unused bytes. */
static __always_inline __u32 unwind_place(__u32 slab, __u32 offset)
{
	return slab << 16 | offset >> 2;
}

static __always_inline __u32 unwind_place_slab(__u32 place)
{
	return place >> 16;
}

static __always_inline __u32 unwind_place_offset(__u32 place)
{
	return (place & 0xffff) << 2;
}

static __always_inline __u32 unwind_u8(const void *slab, __u32 at)
{
	return *((const __u8 *)slab + (at & (UNWIND_SLAB_BYTES - 1)));
}

static __always_inline __u32 unwind_u16(const void *slab, __u32 at)
{
	return *(const __u16 *)((const __u8 *)slab + (at & (UNWIND_SLAB_BYTES - 2)));
}

static __always_inline __u32 unwind_u32(const void *slab, __u32 at)
{
	return *(const __u32 *)((const __u8 *)slab + (at & (UNWIND_SLAB_BYTES - 4)));
}

/*
 * The packed rule for a byte offset of the file, in the group at offset at of a slab of UNWIND_SLAB_BYTES. The second word
 * of a wide rule is its upper half. The search has no branch that depends on what it reads, and the barriers keep the
 * verifier from following its values: else it would walk every path.
 */
static __always_inline __u64 unwind_group_find(const void *slab, __u32 at, __u32 file_offset)
{
	__u32 nr_rows = unwind_u16(slab, at), sparse = unwind_u8(slab, at + 3);
	__u32 rules = at + sizeof(struct unwind_group), rows = rules + 4 * unwind_u8(slab, at + 2);
	__u64 key = file_offset & 0xffff, low = 0, len = nr_rows, word;

	if (!sparse) {
		__u32 index = rows + 2 * (key >> 8);

		low = unwind_u16(slab, index);
		len = unwind_u16(slab, index + 2) - low;
		/* The row before is in force up to the first one here. */
		len += low != 0;
		low -= low != 0;
		key = (key & 255) << 8 | 255;
		rows += 2 * UNWIND_INDEX_ENTRIES;
	}
	asm volatile("" : "+r"(low), "+r"(len), "+r"(rows));
	for (int i = 0; i < UNWIND_SEARCH_STEPS; i++) {
		__u64 half = len >> 1, below;

		if (len <= 1)
			break;
		below = (unwind_u16(slab, rows + 2 * (low + half)) - key - 1) >> 63;
		low += half & -below;
		len -= half;
		asm volatile("" : "+r"(low), "+r"(len));
	}
	low = sparse ? unwind_u8(slab, rows + 2 * nr_rows + low)
		     : unwind_u16(slab, rows + 2 * low) & 255;
	word = unwind_u32(slab, rules + 4 * low);
	if (word & UNWIND_RULE_WIDE)
		word |= (__u64)unwind_u32(slab, rules + 4 * low + 4) << 32;
	return word;
}

#endif

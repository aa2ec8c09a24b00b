/* Packed rules: every rule that can be packed comes back as it was, and what cannot is refused. */
#include "agent/base/cleanup.h"
#include "tests/fixtures/unwind_maker.h"

#include "bpf/unwind_rule_arm64.h"
#include "bpf/unwind_rule_x86.h"
#include "tests/test.h"

typedef int (*pack_fn)(const struct unwind_rule *rule, uint32_t words[UNWIND_RULE_WORDS]);
typedef struct unwind_rule (*unpack_fn)(__u64 packed);

static int pack_x86(const struct unwind_rule *rule, uint32_t words[UNWIND_RULE_WORDS])
{
	return x86_rule_pack(rule, words);
}

static struct unwind_rule unpack_x86(__u64 packed)
{
	return x86_rule_unpack(packed);
}

static int pack_arm64(const struct unwind_rule *rule, uint32_t words[UNWIND_RULE_WORDS])
{
	return arm64_rule_pack(rule, words);
}

static struct unwind_rule unpack_arm64(__u64 packed)
{
	return arm64_rule_unpack(packed);
}

struct packing {
	pack_fn pack;
	unpack_fn unpack;
};
static const struct packing x86 = { pack_x86, unpack_x86 }, arm64 = { pack_arm64, unpack_arm64 };

/* nr_words 0: must be refused. */
static void check(const struct packing *p, int nr_words, struct unwind_rule rule)
{
	uint32_t words[UNWIND_RULE_WORDS];
	struct unwind_rule again;

	CHECK_INT(p->pack(&rule, words), nr_words);
	if (!nr_words)
		return;
	CHECK_INT(!!(words[0] & UNWIND_RULE_WIDE), nr_words == 2);
	CHECK_INT(unwind_rule_kind(words[0]) == UNWIND_GAP, rule.kind == UNWIND_GAP);
	again = p->unpack(words[0] | (uint64_t)words[1] << 32);
	CHECK(!memcmp(&rule, &again, sizeof(rule)));
}

static void test_bare_kinds(void)
{
	for (uint8_t kind = UNWIND_GAP; kind <= UNWIND_SIGNAL; kind++) {
		check(&x86, 1, (struct unwind_rule) { .kind = kind });
		check(&arm64, 1, (struct unwind_rule) { .kind = kind });
	}
}

#define X86(words, ...) check(&x86, words, (struct unwind_rule) { .ra_off = -8, __VA_ARGS__ })

static void test_x86(void)
{
	X86(1, .kind = UNWIND_SP, .cfa_off = 8);
	X86(1, .kind = UNWIND_SP, .cfa_off = 32760, .fp = UNWIND_FP_AT_CFA, .fp_off = -56);
	X86(2, .kind = UNWIND_SP, .cfa_off = 32768, .fp = UNWIND_FP_AT_CFA, .fp_off = -56);
	X86(2, .kind = UNWIND_SP, .cfa_off = INT32_MAX);
	X86(2, .kind = UNWIND_SP, .cfa_off = 12, .exact = 1);
	X86(1, .kind = UNWIND_FP, .cfa_off = 16, .fp = UNWIND_FP_AT_CFA, .fp_off = -16);
	X86(1, .kind = UNWIND_FP, .cfa_off = -32768, .fp = UNWIND_FP_AT_FP, .fp_off = -8192);
	X86(2, .kind = UNWIND_FP, .cfa_off = 16, .fp = UNWIND_FP_AT_CFA, .fp_off = -8200);
	X86(2, .kind = UNWIND_FP, .cfa_off = 16, .fp = UNWIND_FP_AT_CFA, .fp_off = -17);
	X86(0, .kind = UNWIND_FP, .cfa_off = 16, .fp = UNWIND_FP_AT_CFA, .fp_off = 1 << 18);
	X86(1, .kind = UNWIND_FP, .fp = UNWIND_FP_LOST);
	X86(2, .kind = UNWIND_REG, .reg = 10, .cfa_off = 0, .fp = UNWIND_FP_AT_FP);
	X86(2, .kind = UNWIND_REG, .reg = 15, .cfa_off = INT32_MIN);
	X86(2, .kind = UNWIND_DEREF_FP, .cfa_off = -8, .fp = UNWIND_FP_AT_FP, .fp_off = 0);
	X86(2, .kind = UNWIND_DEREF_SP, .cfa_off = 32767, .add = -32768);
	X86(2, .kind = UNWIND_DEREF_REG, .reg = 9, .cfa_off = 40, .add = 8);
	X86(0, .kind = UNWIND_DEREF_SP, .cfa_off = 32768, .add = 8);
	X86(2, .kind = UNWIND_DEREF_INDEXED, .reg = 9, .cfa_off = 8, .add = 8,
	    .fp = UNWIND_FP_AT_CFA, .fp_off = -24);
	X86(2, .kind = UNWIND_SWITCH, .cfa_off = 16, .fp = UNWIND_FP_AT_CFA, .fp_off = -16);
	X86(2, .kind = UNWIND_SWITCH, .cfa_off = INT32_MIN, .exact = 1);
	X86(2, .kind = UNWIND_SWITCH, .reg = UNWIND_SWITCH_SAVED, .fp = UNWIND_FP_LOST,
	    .fp_off = -8, .cfa_off = 192);
	check(&x86, 0, (struct unwind_rule) { .kind = UNWIND_SWITCH, .ra_off = 8 });
	X86(1, .kind = UNWIND_PLT, .cfa_off = 8, .add = 11);
	X86(0, .kind = UNWIND_PLT, .cfa_off = 8, .add = 16);
	check(&x86, 2,
	      (struct unwind_rule) { .kind = UNWIND_SP, .ra = UNWIND_RA_IN_REG, .ra_reg = 5 });
	check(&x86, 0,
	      (struct unwind_rule) { .kind = UNWIND_FP, .ra = UNWIND_RA_IN_REG, .ra_reg = 5 });
	check(&x86, 2, (struct unwind_rule) { .kind = UNWIND_SP, .cfa_off = 16, .ra_off = -16 });
	check(&x86, 2, (struct unwind_rule) { .kind = UNWIND_FP, .cfa_off = 16, .ra_off = 32767 });
	check(&x86, 0, (struct unwind_rule) { .kind = UNWIND_REG, .reg = 3, .ra_off = 8 });
}

#define ARM64(words, ...) check(&arm64, words, (struct unwind_rule) { __VA_ARGS__ })

static void test_arm64(void)
{
	ARM64(1, .kind = UNWIND_SP, .ra = UNWIND_RA_IN_REG, .ra_reg = 30);
	ARM64(1, .kind = UNWIND_SP, .ra = UNWIND_RA_IN_REG, .ra_reg = 30, .ra_signed = 1);
	ARM64(2, .kind = UNWIND_SP, .ra = UNWIND_RA_IN_REG, .ra_reg = 17);
	ARM64(1, .kind = UNWIND_SP, .cfa_off = 8176, .fp = UNWIND_FP_AT_CFA, .fp_off = -8176,
	      .ra_off = -8168);
	ARM64(2, .kind = UNWIND_SP, .cfa_off = 16, .fp = UNWIND_FP_AT_CFA, .fp_off = -8208,
	      .ra_off = -8200);
	ARM64(1, .kind = UNWIND_FP, .cfa_off = 16368, .fp = UNWIND_FP_AT_CFA, .fp_off = -16,
	      .ra_off = -8);
	ARM64(2, .kind = UNWIND_FP, .cfa_off = 16384, .fp = UNWIND_FP_AT_CFA, .fp_off = -16,
	      .ra_off = -8);
	ARM64(2, .kind = UNWIND_SP, .cfa_off = 8, .ra_off = -8);
	ARM64(1, .kind = UNWIND_SP, .cfa_off = 16, .ra_off = -16, .ra_signed = 1);
	ARM64(2, .kind = UNWIND_SP, .cfa_off = 1 << 21, .fp = UNWIND_FP_AT_CFA,
	      .fp_off = -(1 << 21), .ra_off = 8 - (1 << 21));
	ARM64(2, .kind = UNWIND_SP, .cfa_off = 64, .fp = UNWIND_FP_AT_CFA, .fp_off = -16,
	      .ra_off = -32);
	ARM64(0, .kind = UNWIND_SP, .cfa_off = 64, .fp = UNWIND_FP_AT_CFA, .fp_off = -16,
	      .ra_off = -70000);
	ARM64(0, .kind = UNWIND_SP, .cfa_off = 4);
	ARM64(2, .kind = UNWIND_REG, .reg = 10, .cfa_off = -16, .ra = UNWIND_RA_IN_REG,
	      .ra_reg = 30, .exact = 1);
	ARM64(0, .kind = UNWIND_REG, .reg = 10, .ra = UNWIND_RA_IN_REG, .ra_reg = 9);
	ARM64(0, .kind = UNWIND_DEREF_SP);
}

/* A group searched at every offset, beside a plain scan of its rows. */
static void check_group(const struct unwind_put_row *rows, size_t nr, bool sparse, uint32_t at)
{
	_cleanup_(freep) uint8_t *slab = calloc(1, UNWIND_SLAB_BYTES);
	size_t row = 0;

	CHECK(slab);
	unwind_put_group(slab + at, rows, nr, sparse);
	for (uint32_t offset = 0; offset < 1 << UNWIND_GROUP_SHIFT; offset++) {
		while (row + 1 < nr && rows[row + 1].offset <= offset)
			row++;
		CHECK_INT(unwind_group_find(slab, at, 7 << UNWIND_GROUP_SHIFT | offset),
			  unwind_put_rules[rows[row].rule]);
	}
}

static void test_search(void)
{
	_cleanup_(freep) struct unwind_put_row *rows = calloc(UNWIND_ROWS_MAX, sizeof(*rows));
	uint32_t seed = 1;

	CHECK(rows);
	for (size_t most = 1; most <= UNWIND_ROWS_MAX; most = most * 3 / 2 + 1) {
		size_t nr = 1;
		uint32_t mean = (1u << UNWIND_GROUP_SHIFT) / (uint32_t)most;

		for (uint32_t offset = 0; nr < most;) {
			seed = seed * 1103515245 + 12345;
			offset += 1 + (seed >> 8) % (2 * mean - 1);
			if (offset >> UNWIND_GROUP_SHIFT)
				break;
			rows[nr++] = (struct unwind_put_row) { offset, seed >> 30 & 1 };
		}
		check_group(rows, nr, false, UNWIND_SLAB_BYTES - UNWIND_GROUP_BYTES_MAX);
		if (nr <= UNWIND_SPARSE_ROWS_MAX)
			check_group(rows, nr, true, 4);
	}
}

/* Every byte its own row, for as long as the bound allows; the page behind has none. */
static void test_fullest_group(void)
{
	_cleanup_(freep) struct unwind_put_row *rows = calloc(UNWIND_ROWS_MAX, sizeof(*rows));

	CHECK(rows);
	for (uint32_t i = 0; i < UNWIND_ROWS_MAX; i++)
		rows[i] = (struct unwind_put_row) { i, i & 1 };
	check_group(rows, UNWIND_ROWS_MAX, false, 0);
}

/* Whatever a slab holds, a search stays inside it: the sanitizers see to that. */
static void test_any_bytes(void)
{
	_cleanup_(freep) uint8_t *slab = malloc(UNWIND_SLAB_BYTES);
	uint32_t seed = 7;

	CHECK(slab);
	for (size_t i = 0; i < UNWIND_SLAB_BYTES; i++) {
		seed = seed * 1103515245 + 12345;
		slab[i] = (uint8_t)(seed >> 16);
	}
	for (size_t i = 0; i < 100000; i++) {
		seed = seed * 1103515245 + 12345;
		unwind_group_find(slab, seed & ~3u, seed >> 3);
	}
	unwind_group_find(slab, UNWIND_SLAB_BYTES - 4, UINT32_MAX);
}

static void test_places(void)
{
	uint32_t place = unwind_place(65535, UNWIND_SLAB_BYTES - 4);

	CHECK_INT(unwind_place_slab(place), 65535);
	CHECK_INT(unwind_place_offset(place), UNWIND_SLAB_BYTES - 4);
	CHECK(unwind_place(0, 4));
}

int main(void)
{
	RUN(test_bare_kinds);
	RUN(test_x86);
	RUN(test_arm64);
	RUN(test_search);
	RUN(test_fullest_group);
	RUN(test_any_bytes);
	RUN(test_places);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * Rules of arm64, packed.
 *
 *   first word, narrow   3..0 kind  5..4 fp  6 exact  7 = 0  8 ra_signed  10..9 enum arm64_ra
 *                        20..11 cfa_off / 16, unsigned  31..21 save / 8
 *   both words, wide     3..0 kind  5..4 fp  6 exact  7 = 1  8 ra_signed  10..9 enum arm64_ra  15..11 reg
 *                        35..16 cfa_off / 8  63..36 save / 8, or 49..36 fp_off / 8 and 63..50 ra_off / 8
 *
 * save is fp_off, or ra_off if the frame pointer is not saved. A signed return address carries an authentication code
 * in its upper bits. Registers have their DWARF numbers (DWARF for the Arm 64-bit Architecture, section 4.1). CFAs that
 * have to be read from memory have no packed form: no compiler makes them here.
 */
#ifndef FLEETPROF_UNWIND_RULE_ARM64_H
#define FLEETPROF_UNWIND_RULE_ARM64_H

#include "bpf/unwind_table.h"

#define ARM64_REG_FP 29
#define ARM64_REG_LR 30
#define ARM64_REG_SP 31
#define ARM64_REG_RA_SIGN_STATE 34

/* How the return address is found. */
enum arm64_ra {
	ARM64_RA_PAIR = 0, /* saved 8 bytes above the frame pointer, as stp leaves it */
	ARM64_RA_ALONE = 1, /* saved, and the frame pointer is not */
	ARM64_RA_IN_REG = 2, /* narrow, and with UNWIND_REG: the link register; else reg */
	ARM64_RA_APART = 3, /* wide only: both saved, each somewhere */
};

static __always_inline __u32 arm64_rule_wide(__u64 rule)
{
	return rule & UNWIND_RULE_WIDE;
}

static __always_inline __u32 arm64_rule_fp(__u64 rule)
{
	return rule >> 4 & 3;
}

static __always_inline __u32 arm64_rule_exact(__u64 rule)
{
	return rule >> 6 & 1;
}

static __always_inline __u32 arm64_rule_ra_signed(__u64 rule)
{
	return rule >> 8 & 1;
}

static __always_inline __u32 arm64_rule_ra(__u64 rule)
{
	return rule >> 9 & 3;
}

/* Of wide rules only. */
static __always_inline __u32 arm64_rule_reg(__u64 rule)
{
	return rule >> 11 & 31;
}

static __always_inline __u32 arm64_rule_ra_reg(__u64 rule)
{
	if (!arm64_rule_wide(rule) || unwind_rule_kind(rule) == UNWIND_REG)
		return ARM64_REG_LR;
	return arm64_rule_reg(rule);
}

static __always_inline __s32 arm64_rule_cfa_off(__u64 rule)
{
	return arm64_rule_wide(rule) ? 8 * unwind_signed_bits(rule, 16, 20)
				     : 16 * (__s32)(rule >> 11 & 1023);
}

static __always_inline __s32 arm64_rule_save(__u64 rule)
{
	return 8 * (arm64_rule_wide(rule) ? unwind_signed_bits(rule, 36, 28)
					  : unwind_signed_bits(rule, 21, 11));
}

static __always_inline __s32 arm64_rule_fp_off(__u64 rule)
{
	return arm64_rule_ra(rule) == ARM64_RA_APART ? 8 * unwind_signed_bits(rule, 36, 14)
						     : arm64_rule_save(rule);
}

/* Of all but ARM64_RA_IN_REG. */
static __always_inline __s32 arm64_rule_ra_off(__u64 rule)
{
	if (arm64_rule_ra(rule) == ARM64_RA_APART)
		return 8 * unwind_signed_bits(rule, 50, 14);
	return arm64_rule_save(rule) + (arm64_rule_ra(rule) == ARM64_RA_PAIR ? 8 : 0);
}

static __always_inline struct unwind_rule arm64_rule_unpack(__u64 packed)
{
	struct unwind_rule rule = { .kind = unwind_rule_kind(packed) };

	if (rule.kind <= UNWIND_SIGNAL)
		return rule;
	rule.fp = arm64_rule_fp(packed);
	rule.exact = arm64_rule_exact(packed);
	rule.ra_signed = arm64_rule_ra_signed(packed);
	rule.cfa_off = arm64_rule_cfa_off(packed);
	if (rule.kind == UNWIND_REG)
		rule.reg = arm64_rule_reg(packed);
	if (rule.fp == UNWIND_FP_AT_CFA || rule.fp == UNWIND_FP_AT_FP)
		rule.fp_off = arm64_rule_fp_off(packed);
	if (arm64_rule_ra(packed) == ARM64_RA_IN_REG) {
		rule.ra = UNWIND_RA_IN_REG;
		rule.ra_reg = arm64_rule_ra_reg(packed);
	} else {
		rule.ra_off = arm64_rule_ra_off(packed);
	}
	return rule;
}

static __always_inline enum arm64_ra arm64_rule_choose_ra(const struct unwind_rule *rule)
{
	if (rule->ra == UNWIND_RA_IN_REG)
		return ARM64_RA_IN_REG;
	if (rule->fp == UNWIND_FP_SAME || rule->fp == UNWIND_FP_LOST)
		return ARM64_RA_ALONE;
	if (rule->fp == UNWIND_FP_AT_CFA && rule->ra_off == rule->fp_off + 8)
		return ARM64_RA_PAIR;
	return ARM64_RA_APART;
}

/* Returns the number of words, 0 if no packed rule can say it. */
static __always_inline int arm64_rule_pack(const struct unwind_rule *rule,
					   __u32 words[UNWIND_RULE_WORDS])
{
	enum arm64_ra ra = arm64_rule_choose_ra(rule);
	__u32 kind = rule->kind, reg = kind == UNWIND_REG ? rule->reg : rule->ra_reg;
	__s32 save = ra == ARM64_RA_ALONE ? rule->ra_off : rule->fp_off;
	__u64 wide;

	words[0] = kind;
	words[1] = 0;
	if (kind <= UNWIND_SIGNAL)
		return 1;
	if (kind > UNWIND_REG)
		return 0;
	words[0] |= rule->fp << 4 | rule->exact << 6 | rule->ra_signed << 8 | (__u32)ra << 9;
	if (kind != UNWIND_REG && ra != ARM64_RA_APART &&
	    (ra != ARM64_RA_IN_REG || reg == ARM64_REG_LR) && rule->cfa_off >= 0 &&
	    unwind_fits_scaled(rule->cfa_off, 11, 4) && unwind_fits_scaled(save, 11, 3)) {
		words[0] |=
			unwind_bits(rule->cfa_off >> 4, 11, 10) | unwind_bits(save >> 3, 21, 11);
		return 1;
	}
	if (reg > 31 ||
	    (kind == UNWIND_REG && ra == ARM64_RA_IN_REG && rule->ra_reg != ARM64_REG_LR) ||
	    !unwind_fits_scaled(rule->cfa_off, 20, 3) || !unwind_fits_scaled(save, 28, 3))
		return 0;
	wide = words[0] | UNWIND_RULE_WIDE | reg << 11 |
	       (__u64)unwind_bits(rule->cfa_off >> 3, 0, 20) << 16;
	if (ra != ARM64_RA_APART)
		wide |= (__u64)unwind_bits(save >> 3, 0, 28) << 36;
	else if (unwind_fits_scaled(rule->fp_off, 14, 3) && unwind_fits_scaled(rule->ra_off, 14, 3))
		wide |= (__u64)unwind_bits(rule->fp_off >> 3, 0, 14) << 36 |
			(__u64)unwind_bits(rule->ra_off >> 3, 0, 14) << 50;
	else
		return 0;
	words[0] = (__u32)wide;
	words[1] = (__u32)(wide >> 32);
	return 2;
}

#endif

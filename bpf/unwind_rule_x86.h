/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * Rules of x86-64, packed.
 *
 *   first word, narrow   3..0 kind  5..4 fp  6 exact  7 = 0  20..8 cfa_off / 8  31..21 fp_off / 8 (PLT: add)
 *               wide     3..0 kind  5..4 fp  6 exact  7 = 1  12..8 reg or ra_reg  31..13 fp_off
 *   second word          SP, FP, REG, and RA in a register: cfa_off; the others: 15..0 cfa_off, 31..16 add or ra_off
 *
 * The return address is at CFA - 8, except in the two packed kinds below. Registers have their DWARF numbers
 * (System V ABI, x86-64 supplement, figure 3.36).
 */
#ifndef FLEETPROF_UNWIND_RULE_X86_H
#define FLEETPROF_UNWIND_RULE_X86_H

#include "bpf/unwind_table.h"

#define X86_REG_RBP 6
#define X86_REG_RSP 7
#define X86_REG_RA 16
#define X86_RA_OFF (-8)

/* Packed only; taken apart they are UNWIND_SP and UNWIND_FP. */
#define X86_SP_RA_IN_REG 11 /* CFA = sp + cfa_off, return address in ra_reg: vfork */
#define X86_SP_RA_AT 12 /* return address at CFA + ra_off */
#define X86_FP_RA_AT 13

static __always_inline __u32 x86_rule_wide(__u64 rule)
{
	return rule & UNWIND_RULE_WIDE;
}

static __always_inline __u32 x86_rule_fp(__u64 rule)
{
	return rule >> 4 & 3;
}

static __always_inline __u32 x86_rule_exact(__u64 rule)
{
	return rule >> 6 & 1;
}

/* Of wide rules only. */
static __always_inline __u32 x86_rule_reg(__u64 rule)
{
	return rule >> 8 & 31;
}

static __always_inline __s32 x86_rule_fp_off(__u64 rule)
{
	return x86_rule_wide(rule) ? unwind_signed_bits(rule, 13, 19)
				   : 8 * unwind_signed_bits(rule, 21, 11);
}

/* Of the kinds whose second word is split: DEREF_… and …_RA_AT. */
static __always_inline __s32 x86_rule_split_off(__u64 rule)
{
	return unwind_signed_bits(rule, 32, 16);
}

static __always_inline __s32 x86_rule_split_add(__u64 rule)
{
	return unwind_signed_bits(rule, 48, 16);
}

/* Of all other kinds. */
static __always_inline __s32 x86_rule_cfa_off(__u64 rule)
{
	return x86_rule_wide(rule) ? (__s32)(rule >> 32) : 8 * unwind_signed_bits(rule, 8, 13);
}

static __always_inline __u32 x86_rule_plt_add(__u64 rule)
{
	return rule >> 21 & 15;
}

static __always_inline struct unwind_rule x86_rule_unpack(__u64 packed)
{
	struct unwind_rule rule = { .kind = unwind_rule_kind(packed) };

	if (rule.kind <= UNWIND_SIGNAL)
		return rule;
	rule.fp = x86_rule_fp(packed);
	rule.exact = x86_rule_exact(packed);
	rule.cfa_off = x86_rule_cfa_off(packed);
	rule.ra_off = X86_RA_OFF;
	if (rule.kind == UNWIND_PLT) {
		rule.add = x86_rule_plt_add(packed);
		return rule;
	}
	rule.fp_off = x86_rule_fp_off(packed);
	switch (rule.kind) {
	case UNWIND_REG:
	case UNWIND_SWITCH:
		rule.reg = x86_rule_reg(packed);
		break;
	case UNWIND_DEREF_SP:
	case UNWIND_DEREF_FP:
	case UNWIND_DEREF_REG:
	case UNWIND_DEREF_INDEXED:
		rule.reg = x86_rule_reg(packed);
		rule.cfa_off = x86_rule_split_off(packed);
		rule.add = x86_rule_split_add(packed);
		break;
	case X86_SP_RA_IN_REG:
		rule.kind = UNWIND_SP;
		rule.ra = UNWIND_RA_IN_REG;
		rule.ra_reg = x86_rule_reg(packed);
		rule.ra_off = 0;
		break;
	case X86_SP_RA_AT:
	case X86_FP_RA_AT:
		rule.kind = rule.kind == X86_SP_RA_AT ? UNWIND_SP : UNWIND_FP;
		rule.cfa_off = x86_rule_split_off(packed);
		rule.ra_off = x86_rule_split_add(packed);
		break;
	}
	return rule;
}

/* Of a wide rule: its second word and, for the kinds that only packed rules have, its kind. -1: does not fit. */
static __always_inline int x86_rule_pack_second(const struct unwind_rule *rule, __u32 *kind,
						__u32 *second)
{
	__s32 add = rule->add;

	*second = (__u32)rule->cfa_off;
	if (rule->ra == UNWIND_RA_IN_REG) {
		*kind = X86_SP_RA_IN_REG;
		return rule->kind == UNWIND_SP ? 0 : -1;
	}
	if (rule->kind >= UNWIND_DEREF_SP && rule->kind != UNWIND_SWITCH) {
		if (rule->ra_off != X86_RA_OFF)
			return -1;
	} else if (rule->ra_off != X86_RA_OFF) {
		if (rule->kind == UNWIND_REG || rule->kind == UNWIND_SWITCH)
			return -1;
		*kind = rule->kind == UNWIND_SP ? X86_SP_RA_AT : X86_FP_RA_AT;
		add = rule->ra_off;
	} else {
		return 0;
	}
	if (!unwind_fits(rule->cfa_off, 16) || !unwind_fits(add, 16))
		return -1;
	*second = unwind_bits(rule->cfa_off, 0, 16) | unwind_bits(add, 16, 16);
	return 0;
}

/* Returns the number of words, 0 if no packed rule can say it. */
static __always_inline int x86_rule_pack(const struct unwind_rule *rule,
					 __u32 words[UNWIND_RULE_WORDS])
{
	__u32 kind = rule->kind, common = rule->fp << 4 | rule->exact << 6;
	__u32 reg = rule->ra == UNWIND_RA_IN_REG ? rule->ra_reg : rule->reg;

	words[0] = kind;
	words[1] = 0;
	if (kind <= UNWIND_SIGNAL)
		return 1;
	if (kind == UNWIND_PLT) {
		words[0] |= unwind_bits(rule->cfa_off >> 3, 8, 13) | unwind_bits(rule->add, 21, 11);
		return rule->fp == UNWIND_FP_SAME && !rule->exact && rule->ra_off == X86_RA_OFF &&
		       unwind_fits_scaled(rule->cfa_off, 13, 3) && rule->add >= 0 && rule->add < 16;
	}
	if (kind <= UNWIND_FP && rule->ra == UNWIND_RA_AT_CFA && rule->ra_off == X86_RA_OFF &&
	    unwind_fits_scaled(rule->cfa_off, 13, 3) && unwind_fits_scaled(rule->fp_off, 11, 3)) {
		words[0] |= common | unwind_bits(rule->cfa_off >> 3, 8, 13) |
			    unwind_bits(rule->fp_off >> 3, 21, 11);
		return 1;
	}
	if (reg > 15 || !unwind_fits(rule->fp_off, 19) ||
	    x86_rule_pack_second(rule, &kind, &words[1]))
		return 0;
	words[0] = kind | common | UNWIND_RULE_WIDE | reg << 8 | unwind_bits(rule->fp_off, 13, 19);
	return 2;
}

#endif

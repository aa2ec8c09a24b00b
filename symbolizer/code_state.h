/*
 * What is known of the stack before an instruction of x86-64, how instructions change it, and the rule that it makes.
 * Library-private.
 */
#ifndef FLEETPROF_SYMBOLIZER_CODE_STATE_H
#define FLEETPROF_SYMBOLIZER_CODE_STATE_H

#include "symbolizer/x86_insn.h"

enum fp_kind {
	FP_CALLERS = 0, /* as the caller left it */
	FP_FRAME = 1, /* CFA - fp words */
	FP_OTHER = 2,
};

/* Before an instruction. Distances from the CFA down, in words. */
struct code_state {
	int16_t sp, fp;
	int16_t saved; /* where the caller's frame pointer is; 0: nowhere */
	uint16_t known : 1; /* it is reached */
	uint16_t sp_lost : 1;
	uint16_t fp_kind : 2;
	uint16_t root : 1; /* nobody called */
	uint16_t behind_syscall : 1;
	uint16_t in_reg : 1; /* the return address was popped into reg */
	uint16_t reg : 4;
	/* Of the place, not of what is known there: */
	uint16_t start : 1; /* of a function … */
	uint16_t sure : 1; /* … whatever runs into it */
	uint16_t behind_call : 1; /* reached by a call that returned, if it does */
	uint16_t no_return : 1; /* it does not */
	uint16_t logged : 1; /* what was known before the way in hand is kept */
};
_Static_assert(sizeof(struct code_state) == 8, "one for each byte of code");

#define CODE_STATE_ENTRY                                                                           \
	((struct code_state) { .sp = 1, .known = true }) /* a function's first instruction */

/* What an instruction does to it. */
void code_state_apply(struct code_state *s, const struct x86_insn *insn);

/* Do they say where the caller is, and something else each? */
bool code_state_disagree(const struct code_state *a, const struct code_state *b);

/* What holds by both ways. True: it is less than `at` said. */
bool code_state_meet(struct code_state *at, const struct code_state *from);

/* A packed rule. */
uint64_t code_state_rule(const struct code_state *s);

#endif

/* Rules of x86-64. */
#include "symbolizer/unwind_rules.h"

#include "bpf/unwind_rule_x86.h"

#include <elf.h>

/*
 * The kernel's struct rt_sigframe, whose return address the handler has popped: rsp points at its struct ucontext.
 * Offsets of uc_mcontext's registers: arch/x86/include/uapi/asm/sigcontext.h.
 */
#define UCONTEXT_RBP 120
#define UCONTEXT_RSP 160
#define UCONTEXT_RIP 168

static bool is_signal(const struct cfi_state *state)
{
	struct cfi_linear cfa;

	return state->cfa_expr && cfi_linear(state->cfa_expr, state->cfa_expr_size, &cfa) &&
	       cfa.base == X86_REG_RSP && cfa.deref && cfa.offset == UCONTEXT_RSP && !cfa.add &&
	       unwind_is_saved_at(&state->ra, X86_REG_RSP, UCONTEXT_RIP) &&
	       unwind_is_saved_at(&state->fp, X86_REG_RSP, UCONTEXT_RBP);
}

static bool linkage_table(const struct cfi_state *state, struct unwind_rule *rule)
{
	int64_t offset;
	uint32_t threshold;

	if (!cfi_linkage_table(state->cfa_expr, state->cfa_expr_size, &offset, &threshold) ||
	    offset != (int32_t)offset)
		return false;
	rule->kind = UNWIND_PLT;
	rule->cfa_off = (int32_t)offset;
	rule->add = (int32_t)threshold;
	return true;
}

static bool indexed(const struct cfi_state *state, struct unwind_rule *rule)
{
	struct cfi_linear sum;
	uint64_t reg;

	if (!cfi_indexed(state->cfa_expr, state->cfa_expr_size, &sum, &reg) ||
	    sum.offset != (int32_t)sum.offset || sum.add != (int32_t)sum.add)
		return false;
	rule->kind = UNWIND_DEREF_INDEXED;
	rule->reg = (uint8_t)reg;
	rule->cfa_off = (int32_t)sum.offset;
	rule->add = (int32_t)sum.add;
	return true;
}

static bool special_cfa(const struct cfi_state *state, struct unwind_rule *rule)
{
	return linkage_table(state, rule) || indexed(state, rule);
}

static uint64_t pack(const struct unwind_rule *rule)
{
	uint32_t words[UNWIND_RULE_WORDS];

	if (!x86_rule_pack(rule, words))
		return UNWIND_UNSUPPORTED;
	return words[0] | (uint64_t)words[1] << 32;
}

static struct unwind_rule unpack(uint64_t packed)
{
	return x86_rule_unpack(packed);
}

static const char *const names[] = { "rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp",
				     "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15" };

const struct unwind_machine unwind_machine_x86 = {
	.elf_machine = EM_X86_64,
	.registers = { .fp = X86_REG_RBP },
	.sp = X86_REG_RSP,
	.ra = X86_REG_RA,
	.last_register = ARRAY_SIZE(names) - 1,
	.is_signal = is_signal,
	.special_cfa = special_cfa,
	.pack = pack,
	.unpack = unpack,
	.names = names,
};

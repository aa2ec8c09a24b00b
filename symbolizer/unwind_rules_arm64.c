/* Rules of arm64. */
#include "symbolizer/unwind_rules.h"

#include "bpf/unwind_rule_arm64.h"

#include <elf.h>

/*
 * The vDSO's __kernel_rt_sigreturn says of itself no more than that x29 points at a frame record, which would lead past
 * the interrupted function (arch/arm64/kernel/vdso/sigreturn.S).
 */
static bool is_signal(const struct cfi_state *state)
{
	return state->cfa_defined && !state->cfa_expr && state->cfa_reg == ARM64_REG_FP &&
	       !state->cfa_offset && state->fp.how == CFI_AT_CFA && !state->fp.value &&
	       state->ra.how == CFI_AT_CFA && state->ra.value == 8;
}

static uint64_t pack(const struct unwind_rule *rule)
{
	uint32_t words[UNWIND_RULE_WORDS];

	if (!arm64_rule_pack(rule, words))
		return UNWIND_UNSUPPORTED;
	return words[0] | (uint64_t)words[1] << 32;
}

static struct unwind_rule unpack(uint64_t packed)
{
	return arm64_rule_unpack(packed);
}

static const char *const names[] = { "x0",  "x1",  "x2",  "x3",  "x4",  "x5",  "x6",  "x7",
				     "x8",  "x9",  "x10", "x11", "x12", "x13", "x14", "x15",
				     "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23",
				     "x24", "x25", "x26", "x27", "x28", "x29", "x30", "sp" };

const struct unwind_machine unwind_machine_arm64 = {
	.elf_machine = EM_AARCH64,
	.registers = { .fp = ARM64_REG_FP, .arm64 = true },
	.sp = ARM64_REG_SP,
	.ra = ARM64_REG_LR,
	.last_register = ARRAY_SIZE(names) - 1,
	.ra_stays = true,
	.is_signal = is_signal,
	.pack = pack,
	.unpack = unpack,
	.names = names,
};

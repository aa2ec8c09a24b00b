/* Instructions of x86-64: lengths, targets, and what becomes of the stack and frame pointer. */
#include "symbolizer/x86_insn.h"
#include "tests/test.h"

struct known {
	const char *bytes;
	size_t size;
	struct x86_insn insn;
};

#define CODE(text) text, sizeof(text) - 1

static const struct known all[] = {
	{ CODE("\x55"), { .effect = X86_PUSH, .reg = X86_RBP } },
	{ CODE("\x41\x5c"), { .effect = X86_POP, .reg = 12 } },
	{ CODE("\x6a\x07"), { .effect = X86_PUSH, .reg = X86_NO_REG } },
	{ CODE("\xff\x75\x10"), { .effect = X86_PUSH, .reg = X86_NO_REG } },
	{ CODE("\x66\x50"), { .effect = X86_LOSE_SP } },
	{ CODE("\x48\x83\xec\x18"), { .effect = X86_MOVE_SP, .value = -0x18 } },
	{ CODE("\x48\x81\xc4\x00\x10\0\0"), { .effect = X86_MOVE_SP, .value = 0x1000 } },
	{ CODE("\x48\x8d\x64\x24\xf8"), { .effect = X86_MOVE_SP, .value = -8 } },
	{ CODE("\x48\x83\xe4\xf0"), { .effect = X86_LOSE_SP } },
	{ CODE("\x48\x83\xfc\x08"), { .effect = X86_NONE } }, /* cmp */
	{ CODE("\x48\x89\xe5"), { .effect = X86_FP_FROM_SP } },
	{ CODE("\x48\x8b\xec"), { .effect = X86_FP_FROM_SP } },
	{ CODE("\x48\x8d\x65\xd8"), { .effect = X86_SP_FROM_FP, .value = -0x28 } },
	{ CODE("\x48\x89\xc4"), { .effect = X86_LOSE_SP } },
	{ CODE("\x88\xe5"), { .effect = X86_NONE } }, /* mov %ah, %ch */
	{ CODE("\x31\xed"), { .effect = X86_ZERO_FP } },
	{ CODE("\x8b\x2c\x04"), { .effect = X86_LOSE_FP } },
	{ CODE("\x48\x89\x6c\x24\x08"), { .effect = X86_SAVE_FP, .value = 8 } },
	{ CODE("\x48\x8b\x6c\x24\x08"), { .effect = X86_LOAD_FP, .value = 8 } },
	{ CODE("\xc9"), { .effect = X86_LEAVE } },
	{ CODE("\x0f\x05"), { .effect = X86_SYSCALL } },
	{ CODE("\xf3\x0f\x7e\xe4"), { .effect = X86_NONE } }, /* movq %xmm4, %xmm4 */
	{ CODE("\xc4\xe2\xf8\xf2\xe8"), { .effect = X86_LOSE_FP } }, /* andn */
	{ CODE("\x62\xf1\x7d\x48\x6f\x44\x24\x01"), { .effect = X86_NONE } },
	{ CODE("\xc3"), { .flow = X86_RETURN } },
	{ CODE("\xe8\x10\0\0\0"), { .flow = X86_CALL, .has_target = true, .target = 0x15 } },
	{ CODE("\xeb\xfe"), { .flow = X86_JUMP, .has_target = true, .target = 0 } },
	{ CODE("\x0f\x85\0\x01\0\0"), { .flow = X86_BRANCH, .has_target = true, .target = 0x106 } },
	{ CODE("\xff\xe0"), { .flow = X86_JUMP_INDIRECT } },
	{ CODE("\x41\xff\xd1"), { .flow = X86_CALL } },
	{ CODE("\x48\x8d\x05\x10\0\0\0"), { .target = 0x17 } },
	{ CODE("\x48\xb8\1\2\3\4\5\6\7\x08"), { .absolute = 0x0807060504030201 } },
};

static void test_known(void)
{
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		const struct known *k = &all[i];
		struct x86_insn insn;

		CHECK(x86_decode((const uint8_t *)k->bytes, k->size, &insn));
		CHECK(insn.size == k->size);
		CHECK(insn.effect == k->insn.effect && insn.value == k->insn.value);
		CHECK(insn.flow == k->insn.flow && insn.has_target == k->insn.has_target);
		CHECK(insn.target == k->insn.target && insn.absolute == k->insn.absolute);
		if (insn.effect == X86_PUSH || insn.effect == X86_POP)
			CHECK(insn.reg == k->insn.reg);
		/* Cut off it is none. */
		CHECK(!x86_decode((const uint8_t *)k->bytes, k->size - 1, &insn));
	}
}

static void test_none(void)
{
	struct x86_insn insn;

	CHECK(!x86_decode((const uint8_t *)"\x06", 1, &insn));
	CHECK(!x86_decode((const uint8_t *)"", 0, &insn));
	CHECK(!x86_decode((const uint8_t *)"fffffffffffffff\xc3", 16, &insn)); /* 15 at most */
}

int main(void)
{
	test_known();
	test_none();
	return 0;
}

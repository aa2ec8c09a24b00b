/*
 * One x86-64 instruction: how long it is, where it leads, and what it does to the stack and frame pointer.
 * Library-private.
 *
 * That is all that following a stack pointer needs, and it is done for every instruction of code that nothing describes:
 * a disassembler's library spends most of its time and half a megabyte on names and operands. Lengths are tested against
 * objdump's. Opcode maps: Intel's manual, volume 2, appendix A.
 */
#ifndef FLEETPROF_SYMBOLIZER_X86_INSN_H
#define FLEETPROF_SYMBOLIZER_X86_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum x86_flow {
	X86_NEXT,
	X86_CALL, /* to target, if has_target, and then on */
	X86_BRANCH, /* to target, or on */
	X86_JUMP, /* to target */
	X86_JUMP_INDIRECT,
	X86_RETURN,
	X86_STOP, /* traps, or is none of a program's own */
};

enum x86_effect {
	X86_NONE,
	X86_PUSH, /* a word; of reg */
	X86_POP, /* into reg */
	X86_MOVE_SP, /* rsp += value */
	X86_SP_FROM_FP, /* rsp = rbp + value */
	X86_FP_FROM_SP, /* rbp = rsp + value */
	X86_LEAVE, /* rsp = rbp, pop rbp */
	X86_SAVE_FP, /* *(rsp + value) = rbp */
	X86_LOAD_FP, /* rbp = *(rsp + value) */
	X86_ZERO_FP, /* xor %ebp, %ebp */
	X86_LOSE_FP, /* anything else into rbp */
	X86_LOSE_SP, /* anything else into rsp */
	X86_SYSCALL,
};

/* As instructions number them. */
#define X86_RSP 4
#define X86_RBP 5
#define X86_NO_REG 16 /* not a general register */

struct x86_insn {
	uint8_t size;
	uint8_t flow, effect; /* enum x86_flow, enum x86_effect */
	uint8_t reg; /* of a push or pop; X86_NO_REG: none of the general ones */
	bool has_target; /* a call, branch or jump to target; otherwise an address that is loaded */
	bool is_nop, is_endbr;
	int32_t value;
	int64_t target; /* relative to the instruction's first byte … */
	uint64_t absolute; /* … or an address as it is that is loaded; 0: none */
};

#define X86_SIGRETURN_BYTES 9

/* mov $15, %eax or %rax; syscall: what a signal handler returns to. */
bool x86_is_sigreturn(const uint8_t *code, size_t size);

/* False: not an instruction, or cut off. */
bool x86_decode(const uint8_t *code, size_t size, struct x86_insn *ret);

#endif

/* Instructions that nobody can follow: what stands before them holds, what comes behind does not. */
	.macro begin name
	.p2align 5
	.globl \name
	.type \name, @function
\name:
	.cfi_startproc
	.endm
	.macro end name
	.cfi_endproc
	.size \name, . - \name
	.endm

	.text
	begin broken_instruction
	nop
	.cfi_def_cfa_offset 16
	nop
	.cfi_escape 0x3f
	nop
	.cfi_def_cfa_offset 24
	nop
	end broken_instruction

	begin restore_without_remember
	nop
	.cfi_escape 0x0b
	nop
	nop
	end restore_without_remember

	begin whole
	nop
	.cfi_def_cfa_offset 16
	nop
	end whole

	begin _start
	.cfi_undefined %rip
	hlt
	end _start
	.section .note.GNU-stack, "", @progbits

/* As x86_64.S, for arm64. */
	.macro begin name
	.p2align 5
	.globl \name
	.type \name, %function
\name:
	.cfi_startproc
	.endm
	.macro end name
	.cfi_endproc
	.size \name, . - \name
	.endm

	.text
	/* As gcc has it: the pair at the bottom of the frame. */
	begin pair_at_bottom
	stp x29, x30, [sp, #-64]!
	.cfi_def_cfa_offset 64
	.cfi_offset 29, -64
	.cfi_offset 30, -56
	mov x29, sp
	ldp x29, x30, [sp], #64
	.cfi_restore 30
	.cfi_restore 29
	.cfi_def_cfa_offset 0
	ret
	end pair_at_bottom

	/* As clang has it: the pair at the top, CFA by x29. */
	begin pair_at_top
	sub sp, sp, #32
	.cfi_def_cfa_offset 32
	stp x29, x30, [sp, #16]
	add x29, sp, #16
	.cfi_def_cfa 29, 16
	.cfi_offset 30, -8
	.cfi_offset 29, -16
	ret
	end pair_at_top

	begin link_register_alone
	str x30, [sp, #-16]!
	.cfi_def_cfa_offset 16
	.cfi_offset 30, -16
	ldr x30, [sp], #16
	.cfi_restore 30
	.cfi_def_cfa_offset 0
	ret
	end link_register_alone

	begin large_frame
	sub sp, sp, #0x12000
	.cfi_def_cfa_offset 0x12000
	stp x29, x30, [sp]
	.cfi_offset 29, -0x12000
	.cfi_offset 30, -0x11ff8
	nop
	.cfi_offset 30, -16
	nop
	end large_frame

	begin apart
	.cfi_def_cfa_offset 64
	.cfi_offset 29, -16
	.cfi_offset 30, -48
	nop
	end apart

	/* Return-address signing: paciasp … autiasp. */
	begin signed_return_address
	hint #25
	.cfi_negate_ra_state
	stp x29, x30, [sp, #-16]!
	.cfi_def_cfa_offset 16
	.cfi_offset 29, -16
	.cfi_offset 30, -8
	.cfi_remember_state
	ldp x29, x30, [sp], #16
	.cfi_restore 30
	.cfi_restore 29
	.cfi_def_cfa_offset 0
	hint #29
	.cfi_negate_ra_state
	ret
	.cfi_restore_state
	nop
	end signed_return_address

	begin in_another_register
	mov x16, x30
	.cfi_register 30, 16
	nop
	end in_another_register

	/* A scalable vector frame: CFA = sp + 16 + VG * 8. */
	begin scalable
	.cfi_escape 0x0f, 10, 0x8f, 0x10, 0x92, 0x2e, 0x00, 0x38, 0x1e, 0x22, 0x96, 0x96
	nop
	end scalable

	/* The vDSO's trampoline says no more than this of itself. */
	.p2align 5
	nop
signal_trampoline:
	.cfi_startproc
	.cfi_signal_frame
	.cfi_def_cfa 29, 0
	.cfi_offset 29, 0
	.cfi_offset 30, 8
	mov x8, #139
	svc #0
	.cfi_endproc

	begin _start
	.cfi_undefined 30
	brk #0
	end _start
	.section .note.GNU-stack, "", %progbits

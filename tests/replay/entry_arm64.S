/* The recorded program's beginning, system calls, and odd frames that no compiler makes: arm64. */
	.macro begin name
	.globl \name
	.type \name, %function
	.p2align 4
\name:
	.cfi_startproc
	.endm
	.macro end name
	.cfi_endproc
	.size \name, . - \name
	.endm

	.text
	begin _start
	.cfi_undefined 30
	bl replay_main
	brk #0
	end _start

	begin system_call
	mov x8, x0
	mov x0, x1
	mov x1, x2
	mov x2, x3
	mov x3, x4
	svc #0
	nop /* qemu's single step goes one instruction further here */
	ret
	end system_call

	/* The return address in another register, then alone on the stack, then apart from the frame pointer. */
	begin call_by_hand
	mov x16, x30
	.cfi_register 30, 16
	mov x30, xzr
	mov x30, x16
	.cfi_restore 30
	str x30, [sp, #-48]!
	.cfi_def_cfa_offset 48
	.cfi_offset 30, -48
	str x29, [sp, #32]
	.cfi_offset 29, -16
	mov x29, sp
	.cfi_def_cfa_register 29
	mov x9, x0
	mov x0, x1
	blr x9
	ldr x29, [sp, #32]
	.cfi_restore 29
	.cfi_def_cfa_register 31
	ldr x30, [sp], #48
	.cfi_restore 30
	.cfi_def_cfa_offset 0
	ret
	end call_by_hand

	nop
	.globl restorer
restorer:
	.cfi_startproc
	.cfi_signal_frame
	.cfi_def_cfa 29, 0
	.cfi_offset 29, 0
	.cfi_offset 30, 8
	mov x8, #139
	svc #0
	.cfi_endproc
	.section .note.GNU-stack, "", %progbits

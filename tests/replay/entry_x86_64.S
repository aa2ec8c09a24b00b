/* The recorded program's beginning, system calls, and odd frames that no compiler makes: x86-64. */
	.macro begin name
	.globl \name
	.type \name, @function
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
	.cfi_undefined %rip
	call replay_main
	hlt
	end _start

	begin system_call
	mov %rdi, %rax
	mov %rsi, %rdi
	mov %rdx, %rsi
	mov %rcx, %rdx
	mov %r8, %r10
	syscall
	nop /* qemu's single step goes one instruction further here */
	ret
	end system_call

	/* The return address in a register, as in vfork; CFA in a register; then *(rsp + 8 * r9 + 8) + 8, as OpenSSL has it. */
	begin call_by_hand
	pop %rcx
	.cfi_adjust_cfa_offset -8
	.cfi_register %rip, %rcx
	nop
	push %rcx
	.cfi_adjust_cfa_offset 8
	.cfi_offset %rip, -8
	mov %rsp, %rax
	.cfi_def_cfa_register %rax
	sub $40, %rsp
	mov $2, %r9d
	mov %rax, 24(%rsp)
	.cfi_escape 0x0f, 10, 0x77, 8, 0x79, 0, 0x38, 0x1e, 0x22, 0x06, 0x23, 8
	nop
	.cfi_escape 0x0f, 5, 0x77, 24, 0x06, 0x23, 8 /* *(rsp + 24) + 8 */
	mov %rdi, %rax
	mov %rsi, %rdi
	call *%rax
	add $40, %rsp
	.cfi_def_cfa %rsp, 8
	ret
	end call_by_hand

	nop
	.globl restorer
restorer:
	.cfi_startproc
	.cfi_signal_frame
	.cfi_escape 0x0f, 4, 0x77, 0xa0, 0x01, 0x06
	.cfi_escape 0x10, 16, 3, 0x77, 0xa8, 0x01
	.cfi_escape 0x10, 6, 3, 0x77, 0xf8, 0x00
	mov $15, %rax
	syscall
	.cfi_endproc
	.section .note.GNU-stack, "", @progbits

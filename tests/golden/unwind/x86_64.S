/* Call frame information of every kind, the odd ones above all. Never run: only its unwind table is looked at. */
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
	begin frame_pointer
	push %rbp
	.cfi_def_cfa_offset 16
	.cfi_offset %rbp, -16
	mov %rsp, %rbp
	.cfi_def_cfa_register %rbp
	leave
	.cfi_def_cfa %rsp, 8
	ret
	end frame_pointer

	/* Offsets that do not fit the narrow form. */
	begin odd_offsets
	nop
	.cfi_def_cfa_offset 12
	nop
	.cfi_def_cfa_offset 0x123450
	nop
	.cfi_def_cfa_offset 8
	.cfi_offset %rbp, -4104
	nop
	.cfi_offset %rbp, -131072
	nop
	.cfi_offset %rbp, -17179869184
	nop
	end odd_offsets

	begin remember_restore
	push %rbp
	.cfi_def_cfa_offset 16
	.cfi_offset %rbp, -16
	.cfi_remember_state
	pop %rbp
	.cfi_restore %rbp
	.cfi_def_cfa_offset 8
	ret
	.cfi_restore_state
	nop
	.cfi_remember_state
	.cfi_remember_state
	nop
	.cfi_def_cfa %r10, 0
	nop
	.cfi_restore_state
	nop
	.cfi_restore_state
	nop
	end remember_restore

	/* Over the border of a group, by DW_CFA_advance_loc4. */
	begin long_function
	push %rbp
	.cfi_def_cfa_offset 16
	.skip 140000, 0x90
	.cfi_def_cfa_offset 24
	.skip 300, 0x90
	.cfi_def_cfa_offset 32
	ret
	end long_function

	/* CFA = rsp + 8 + ((rip & 15) >= 11) * 8, as linkers write it for linkage tables. */
	begin linkage_table
	.cfi_escape 0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22
	nop
	nop
	end linkage_table

	/* A realigned stack: gcc's DRAP. */
	begin drap
	lea 8(%rsp), %r10
	.cfi_def_cfa %r10, 0
	nop
	.cfi_escape 0x10, 6, 2, 0x76, 0 /* rbp at *(rbp + 0) */
	nop
	.cfi_escape 0x0f, 3, 0x76, 0x78, 0x06 /* *(rbp - 8) */
	nop
	.cfi_def_cfa %rsp, 8
	ret
	end drap

	/* OpenSSL's: *(rsp + 40) + 8; and the sum in pieces, and from another register. */
	begin cfa_in_memory
	.cfi_escape 0x0f, 5, 0x77, 0x28, 0x06, 0x23, 0x08
	nop
	.cfi_escape 0x0f, 9, 0x77, 0x20, 0x38, 0x22, 0x96, 0x06, 0x38, 0x22, 0x96
	nop
	.cfi_escape 0x0f, 5, 0x79, 0x28, 0x06, 0x23, 0x08
	nop
	.cfi_escape 0x0f, 10, 0x77, 8, 0x79, 0, 0x38, 0x1e, 0x22, 0x06, 0x23, 8 /* *(rsp + 8 + r9 * 8) + 8 */
	nop
	.cfi_escape 0x0f, 8, 0x77, 0x80, 0x80, 0x04, 0x06, 0x23, 0xff, 0x7f /* too far */
	nop
	.cfi_escape 0x0f, 4, 0x77, 0x28, 0x06, 0x06 /* twice */
	nop
	end cfa_in_memory

	/* glibc's vfork: the return address is popped into a register. */
	begin vfork_like
	pop %rdi
	.cfi_adjust_cfa_offset -8
	.cfi_register %rip, %rdi
	syscall
	push %rdi
	.cfi_adjust_cfa_offset 8
	.cfi_offset %rip, -8
	ret
	end vfork_like

	begin return_address_elsewhere
	.cfi_offset %rip, -16
	nop
	.cfi_escape 0x10, 16, 2, 0x77, 0x10 /* rip at *(rsp + 16), CFA = rsp + 8 */
	nop
	.cfi_escape 0x10, 16, 2, 0x23, 0x20 /* rip at *(CFA + 32) */
	nop
	.cfi_escape 0x10, 16, 2, 0x73, 0x10 /* rip at *(rbx + 16): cannot be said */
	nop
	.cfi_escape 0x16, 16, 2, 0x77, 0x10 /* rip = rsp + 16 */
	nop
	.cfi_same_value %rip
	nop
	.cfi_escape 0x14, 16, 1 /* rip = CFA - 8 */
	nop
	end return_address_elsewhere

	begin frame_pointer_elsewhere
	.cfi_register %rbp, %rax
	nop
	.cfi_undefined %rbp
	nop
	.cfi_same_value %rbp
	nop
	.cfi_escape 0x16, 6, 2, 0x77, 0x10 /* rbp = rsp + 16 */
	nop
	.cfi_restore %rbp
	nop
	.cfi_escape 0x10, 6, 2, 0x77, 0x10 /* rbp at *(rsp + 16), CFA = rsp + 8 */
	nop
	end frame_pointer_elsewhere

	/* Instructions that no compiler writes today. */
	begin rare_instructions
	.cfi_escape 0x2e, 0x10 /* GNU_args_size */
	nop
	.cfi_escape 0x11, 6, 0x03 /* offset_extended_sf */
	nop
	.cfi_escape 0x12, 7, 0x7e /* def_cfa_sf */
	nop
	.cfi_escape 0x13, 0x7c /* def_cfa_offset_sf */
	nop
	.cfi_escape 0x2f, 6, 0x02 /* GNU_negative_offset_extended */
	nop
	.cfi_escape 0x05, 6, 0x05 /* offset_extended */
	nop
	.cfi_escape 0x06, 6 /* restore_extended */
	nop
	.cfi_escape 0x1d, 2, 0, 0, 0, 0, 0, 0, 0 /* MIPS_advance_loc8 */
	.cfi_escape 0x0e, 0x30
	nop
	nop
	nop
	end rare_instructions

	/* No call frame information at all. */
	.p2align 5
gap:
	.skip 64, 0x90

	/* glibc's __restore_rt: begins one byte early, so that the handler's return address is found. */
	.p2align 5
	nop
	.type signal_trampoline, @function
signal_trampoline:
	.cfi_startproc
	.cfi_signal_frame
	.cfi_escape 0x0f, 4, 0x77, 0xa0, 0x01, 0x06 /* *(rsp + 160) */
	.cfi_escape 0x10, 16, 3, 0x77, 0xa8, 0x01 /* rip at *(rsp + 168) */
	.cfi_escape 0x10, 6, 3, 0x77, 0xf8, 0x00 /* rbp at *(rsp + 120) */
	mov $15, %rax
	syscall
	.cfi_endproc
	.size signal_trampoline, . - signal_trampoline

	/* A signal frame, but not the kernel's. */
	.p2align 5
	.type signal_frame, @function
signal_frame:
	.cfi_startproc
	.cfi_signal_frame
	.cfi_def_cfa_offset 32
	nop
	ret
	.cfi_endproc
	.size signal_frame, . - signal_frame

	begin _start
	.cfi_undefined %rip
	hlt
	end _start
	.section .note.GNU-stack, "", @progbits

/* What lies before start.S: a function that .debug_frame describes, and main, which nothing does. */
	.cfi_sections .debug_frame
	.text
	.globl works
works:
	.cfi_startproc
	sub $24, %rsp
	.cfi_adjust_cfa_offset 24
	nopw 0x200(%rax, %rax)
	nopw 0x200(%rax, %rax)
	add $24, %rsp
	.cfi_adjust_cfa_offset -24
	ret
	.cfi_endproc
	.globl main
main:
	push %rbx
	xor %eax, %eax
	nopw 0x200(%rax, %rax)
	nopw 0x200(%rax, %rax)
	pop %rbx
	ret
	.section .note.GNU-stack, "", @progbits
